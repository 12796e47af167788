"""Whether a func's instances last when they are made ahead of its calls, and when to retry."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Trial:
    """How making instances of one version of a func has gone so far."""

    is_proven: bool = False
    """Whether several may be made at once: one waited for a moment, or ran a call."""
    failures: int = 0
    """How many couldn't be made, or didn't last, since one did."""
    was_engine: bool = False
    """Whether the last of these was the engine's, which couldn't be used."""
    failed_at: float = 0.0
    not_before: float = 0.0

    def fail(self, now: float, pause: float, max_pause: float, *, was_engine: bool) -> None:
        """Pause twice as long after each failure; beyond `max_pause`, until the next call."""
        if now < self.not_before:
            return  # made before the pause began
        self.is_proven, self.was_engine = False, was_engine
        self.failures += 1
        self.failed_at = now
        seconds = pause * 2 ** (self.failures - 1)
        self.not_before = now + seconds if seconds <= max_pause else math.inf

    def prove(self) -> None:
        """Note that an instance has waited for a moment; after a failure, that isn't enough."""
        self.is_proven = not self.failures

    def last(self) -> None:
        """Note that an instance has waited for as long as it must, or until a call met it."""
        self.is_proven, self.failures, self.not_before = True, 0, 0.0

    def serve(self) -> None:
        """Note that a new instance has run a call, though that doesn't show that it would wait."""
        self.is_proven = not self.failures
        if self.was_engine:
            self.not_before = 0.0

    def meet_call(self, max_pause: float) -> None:
        """Note a call, after which making is tried again, but not more than every `max_pause`."""
        if math.isinf(self.not_before):
            self.not_before = self.failed_at + max_pause
