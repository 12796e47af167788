"""A clock of a test's own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """The time, which passes only when somebody waits or a test says so."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
