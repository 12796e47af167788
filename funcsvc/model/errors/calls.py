"""Errors in calling a func and in looking up calls."""

from __future__ import annotations

from funcsvc.model.errors.kinds import Busy, Gone, NotFound, TooLarge
from funcsvc.model.errors.wording import show


class CallNotFound(NotFound):
    """Raised when no call has the given id."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"There is no call {show(call_id)}.")


class OutputRotated(Gone):
    """Raised when a call's output has been dropped to make room for newer ones."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"The output of the call {show(call_id)} was rotated away by newer ones.")


class CallRemoved(Gone):
    """Raised when a call was removed before its end, together with its func."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"The call {show(call_id)} was removed with its function.")


class EnvironmentTooLarge(TooLarge):
    """Raised when a request's query and headers don't fit in the function's environment."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            "The request's query and header fields are too large for the function's environment: "
            f"at most {max_bytes} bytes are allowed."
        )


class TooManyPending(Busy):
    """Raised when a func has reached its limit of pending calls."""

    def __init__(self, max_pending: int) -> None:
        super().__init__(
            f"This function already has {max_pending} pending calls, the maximum: "
            "try again in a few seconds."
        )


class TooManyPendingBytes(Busy):
    """Raised when the payloads of the calls that haven't ended take too many bytes."""

    def __init__(self, whose: str, max_bytes: int) -> None:
        super().__init__(
            f"The pending calls of {whose} can take {max_bytes} bytes at most, and have no room "
            "for this one: try again in a few seconds."
        )


class TooManyWaits(Busy):
    """Raised when the limit of requests that wait for calls, or that follow logs, is reached."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(
            f"{most} requests already {what}, the maximum: try again in a few seconds."
        )
