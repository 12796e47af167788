"""The time, as an argument: tests bring a clock of their own."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The time, and waiting for it to pass; the module `time` is one."""

    def monotonic(self) -> float:
        """Return the seconds of a clock that never jumps."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
