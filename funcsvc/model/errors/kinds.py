"""The kinds of errors. The web process maps each kind to an HTTP status, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FieldErrors = Mapping[str, Sequence[str]]
"""Maps the dotted path of a field, such as `Config.Env.1`, to sentences on what is wrong there."""


class FuncsvcError(Exception):
    """The base class of all errors of this service."""

    @property
    def message(self) -> str:
        """One sentence for the client."""
        return str(self)


class InvalidParameter(FuncsvcError):
    """The kind of errors that a client can fix in its request.

    `field_errors` has every wrong field; it is empty if the error isn't in a field.
    """

    def __init__(self, message: str, field_errors: FieldErrors | None = None) -> None:
        super().__init__(message)
        self.field_errors: FieldErrors = field_errors or {}


class NotFound(FuncsvcError):
    """The kind of errors about something that doesn't exist."""


class Conflict(FuncsvcError):
    """The kind of requests that conflict with something that exists."""


class TooLarge(FuncsvcError):
    """The kind of requests that exceed a size limit."""


class Unavailable(FuncsvcError):
    """The kind of failures in what this service depends on. Nothing was stored."""


class Unauthorized(FuncsvcError):
    """The kind of requests without a valid access key.

    `access_key` is the known key that the request names but doesn't prove, or empty.
    """

    def __init__(self, message: str, access_key: str = "") -> None:
        super().__init__(message)
        self.access_key = access_key


class Forbidden(FuncsvcError):
    """The kind of requests that the operator allows nobody."""


class Limited(FuncsvcError):
    """The kind of requests that come too often. Clients can retry after `retry_after_seconds`."""

    retry_after_seconds: int


class Gone(FuncsvcError):
    """The kind of errors about something that existed, but is no longer kept."""


class Busy(FuncsvcError):
    """The kind of requests that find a queue full. Clients can retry after a while."""

    retry_after_seconds = 5
