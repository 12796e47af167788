"""The clock, as an argument: tests pass their own."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """A source of time that can also sleep; the module `time` is one."""

    def monotonic(self) -> float:
        """Return the seconds on a clock that never jumps."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for a number of seconds."""
