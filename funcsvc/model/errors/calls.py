"""Errors of calling a func, and of asking for a call."""

from __future__ import annotations

from funcsvc.model.errors.kinds import Busy, Gone, NotFound, TooLarge
from funcsvc.model.errors.wording import show


class CallNotFound(NotFound):
    """Raised when no call has an id."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"There is no call {show(call_id)}.")


class OutputRotated(Gone):
    """Raised when a call ended, and its output had to go for newer ones."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"The output of the call {show(call_id)} was rotated away by newer ones.")


class EnvironmentTooLarge(TooLarge):
    """Raised when what a request says of itself is too much for a function's environment."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            "The request's query and header fields are too large for the function's environment: "
            f"at most {max_bytes} bytes are allowed."
        )


class TooManyPending(Busy):
    """Raised when a func has reached the maximum of pending calls."""

    def __init__(self, max_pending: int) -> None:
        super().__init__(
            f"This function already has {max_pending} pending calls, the maximum: "
            "try again in a few seconds."
        )


class TooManyWaits(Busy):
    """Raised when the maximum of requests that wait for calls, or follow logs, is reached."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(
            f"{most} requests already {what}, the maximum: try again in a few seconds."
        )
