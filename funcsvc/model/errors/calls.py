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
            f"The request's query and header fields are too large: at most {max_bytes} bytes of "
            "them become the function's environment."
        )


class TooManyPending(Busy):
    """Raised when as many calls of a func are pending as may."""

    def __init__(self, max_pending: int) -> None:
        super().__init__(
            f"{max_pending} calls of this function are pending, which is the most that may be: "
            "try again in a few seconds."
        )


class TooManyWaits(Busy):
    """Raised when as many requests wait for calls, or follow logs, as may."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(
            f"{most} requests {what} already, which is the most that may: "
            "try again in a few seconds."
        )
