"""Errors in requests themselves: their bodies, hosts, origins, queries and access keys."""

from __future__ import annotations

from collections.abc import Sequence

from funcsvc.model.errors.kinds import InvalidParameter, Limited, TooLarge
from funcsvc.model.errors.wording import path_below, show


class MalformedBody(InvalidParameter):
    """Raised when a body isn't a valid JSON object."""


class UnsupportedContentType(InvalidParameter):
    """Raised when a body's Content-Type isn't application/json."""


class BodyNotReceived(InvalidParameter):
    """Raised when a body is cut short, isn't valid HTTP, or doesn't arrive in time."""

    def __init__(self) -> None:
        super().__init__("The request body was incomplete, or did not arrive in time.")


class BodyTooLarge(TooLarge):
    """Raised when a body exceeds its size limit."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The request body is too large: at most {max_bytes} bytes are accepted.")


class WrongHost(InvalidParameter):
    """Raised when a service without access keys is addressed by a host other than loopback."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Host is {show(host)}, but without access keys only localhost and loopback "
            "addresses are answered."
        )


class WrongOrigin(InvalidParameter):
    """Raised when a request comes from a web page on another site."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"Origin is {show(origin)}, but pages of other sites can't send requests here."
        )


class TooManyAttempts(Limited):
    """Raised when an address has sent too many wrong access keys."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many requests from this address had no valid access key: "
            f"try again in {retry_after_seconds} seconds."
        )
        self.retry_after_seconds = retry_after_seconds


class UnknownOption(InvalidParameter):
    """Raised when a query has an option that doesn't exist."""

    def __init__(self, option: str, known: Sequence[str]) -> None:
        path = path_below("", option)
        *others, last = known
        options = f"{', '.join(others)} and {last}"
        sentence = f"{path} is not a known option: the options are {options}."
        super().__init__(sentence, {path: [sentence]})


class InvalidQuery(InvalidParameter):
    """Raised when an option of a query breaks a rule."""

    def __init__(self, option: str, value: object, rule: str) -> None:
        path = path_below("", option)
        sentence = f"{path} is {show(value)}, but must be {rule}."
        super().__init__(sentence, {path: [sentence]})
