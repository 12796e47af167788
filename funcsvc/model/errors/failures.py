"""A function's own failures: stored on its call, and returned to requests for its output."""

from __future__ import annotations

from collections.abc import Sequence

from funcsvc.model.calls import Failure
from funcsvc.model.errors.kinds import FuncsvcError
from funcsvc.model.errors.wording import show


class CallFailed(FuncsvcError):
    """The kind of a function's own failures. `failure` is how one is stored."""

    failure = Failure.FAILED


class CallTimedOut(CallFailed):
    """Raised when a function ran past its Timeout and was killed."""

    failure = Failure.TIMED_OUT

    def __init__(self, timeout_seconds: int) -> None:
        super().__init__(
            f"The function ran past its Timeout of {timeout_seconds} seconds and was killed."
        )


class OutputTooLarge(CallFailed):
    """Raised when a function printed more than the limit and was killed."""

    failure = Failure.TOO_LARGE

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The function printed more than {max_bytes} bytes of output and was killed."
        )


class WroteTooMuch(CallFailed):
    """Raised when a function filled more of the engine's disk than the limit and was killed."""

    def __init__(self, written_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"The function's files on its container's disk are {written_bytes} bytes long, more "
            f"than the {max_bytes} bytes that are allowed, and it was killed."
        )


class WroteTooManyFiles(CallFailed):
    """Raised when what a function writes can't be watched any more and it was killed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "The function wrote more files to its container's disk than can be counted in "
            f"{seconds:g} seconds, and was killed."
        )


class ExitedBadly(CallFailed):
    """Raised when a function's command ended with an exit code other than 0."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"The function ended with exit code {exit_code}.")


class Killed(CallFailed):
    """Raised when a function's command was ended by a signal that this service didn't send."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"The function was killed by signal {signal_name}.")


class EndedFromOutside(CallFailed):
    """Raised when something outside a function ended it: its engine stopped, or somebody did it."""

    def __init__(self, how: str) -> None:
        super().__init__(f"The function was ended from outside: its container {how}.")


class OutOfMemory(CallFailed):
    """Raised when a function needed more memory than its size allows."""

    def __init__(self, size: str, exit_code: int) -> None:
        super().__init__(
            f"The function was killed for want of memory: its ContainerSize is {size} "
            f"(exit code {exit_code})."
        )


class CommandNotRun(CallFailed):
    """Raised when a function's command can't be found (exit code 127) or executed (126)."""

    def __init__(self, command: str, reason: str, exit_code: int) -> None:
        super().__init__(f"exec: {show(command)}: {reason} (exit code {exit_code}).")


class NotStarted(CallFailed):
    """Raised when the engine refuses to create a function's container, or can't start it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The function's container could not be started: {reason}")


class NotStartedYet(NotStarted):
    """Raised when something else has what a container needs, so that its call can be tried again.

    `reason` is what NotStarted takes.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PortTaken(NotStartedYet):
    """Raised when something else on the host has a port that the function publishes."""

    def __init__(self, host_port: str) -> None:
        super().__init__(f"its host port {host_port} is already in use.")


class PortRangeTaken(NotStartedYet):
    """Raised when no port is free in one of the ranges that the function publishes."""

    def __init__(self, ranges: Sequence[str]) -> None:
        named = " or of ".join(ranges or ["the engine's own range"])
        super().__init__(f"all host ports of {named} are already in use.")


class NoFreeAddress(NotStartedYet):
    """Raised when other containers have all addresses of the function's network."""

    def __init__(self) -> None:
        super().__init__("its network has no free address.")


class ImageGone(CallFailed):
    """Raised when a function's image is no longer available."""


class ResultLost(CallFailed):
    """Raised when a function began, but there is no way to tell how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The function began, but its result is lost: {reason}.")
