"""Whether a func's instances last when they are made ahead of its calls, and when to retry."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Trial:
    """How making instances of one version of a func has gone so far."""

    is_proven: bool = False
    """Whether an instance of it has lasted: it waited for a while, or ran a call."""
    failures: int = 0
    """How many couldn't be made, or didn't last, since one did."""
    failed_at: float = 0.0
    not_before: float = 0.0

    def fail(self, now: float, pause: float, max_pause: float) -> None:
        """Pause twice as long after each failure; beyond `max_pause`, until the next call."""
        if now < self.not_before:
            return  # made before the pause began
        self.is_proven = False
        self.failures += 1
        self.failed_at = now
        seconds = pause * 2 ** (self.failures - 1)
        self.not_before = now + seconds if seconds <= max_pause else math.inf

    def last(self) -> None:
        """Note that an instance has waited for a while."""
        self.is_proven, self.failures, self.not_before = True, 0, 0.0

    def serve(self) -> None:
        """Note that an instance has run a call, though that doesn't show that it would wait."""
        self.is_proven = not self.failures
        self.not_before = 0.0

    def meet_call(self, max_pause: float) -> None:
        """Note a call, after which making is tried again, but not more than every `max_pause`."""
        if math.isinf(self.not_before):
            self.not_before = self.failed_at + max_pause
