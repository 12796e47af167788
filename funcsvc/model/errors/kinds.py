"""The kinds of errors. The web process has one table from kind to HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FieldErrors = Mapping[str, Sequence[str]]
"""Dotted path of a field, such as `Config.Env.1`, to the sentences of what is wrong with it."""


class FuncsvcError(Exception):
    """The base of all errors of this service."""

    @property
    def message(self) -> str:
        """One sentence for the client."""
        return str(self)


class InvalidParameter(FuncsvcError):
    """The kind of everything that a client could mend in its request.

    `field_errors` has every wrong field at once; empty where no field is to blame.
    """

    def __init__(self, message: str, field_errors: FieldErrors | None = None) -> None:
        super().__init__(message)
        self.field_errors: FieldErrors = field_errors or {}


class NotFound(FuncsvcError):
    """The kind of what isn't there."""


class Conflict(FuncsvcError):
    """The kind of what another thing that is there stands against."""


class TooLarge(FuncsvcError):
    """The kind of requests over a limit of size."""


class Unavailable(FuncsvcError):
    """The kind of failures of what this service needs. Nothing was stored."""


class Unauthorized(FuncsvcError):
    """The kind of requests that don't show an access key, or not rightly."""


class Limited(FuncsvcError):
    """The kind of requests that come too often. Try again after `retry_after_seconds`."""

    retry_after_seconds: int


class Gone(FuncsvcError):
    """The kind of what was there and is kept no longer."""


class Busy(FuncsvcError):
    """The kind of requests that would wait where waiting is full. Try again after a while."""

    retry_after_seconds = 5
