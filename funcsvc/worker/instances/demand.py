"""How many instances of each func should wait, judging by its recent calls. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from funcsvc.config import Settings


@dataclass(frozen=True, kw_only=True)
class DemandLimits:
    """Limits on the demand. Times are in seconds."""

    per_func: int
    cover_seconds: float
    """How long waiting instances should last at a func's call rate."""
    idle_seconds: float
    """How long after its last call a func still has demand."""
    rate_seconds: float = 30.0
    """The period over which a func's call rate is measured."""
    patience_seconds: float = 10.0
    """A func that was called within this time does not give way to others."""
    first_ready_seconds: float = 0.3
    """How long making an instance is assumed to take before one has been made."""
    max_arrivals: int = 512
    max_funcs: int = 1000
    """How many funcs are remembered. Beyond that, the least recently called is forgotten."""

    @classmethod
    def from_settings(cls, settings: Settings) -> DemandLimits:
        """Return the limits that the operator has set."""
        return cls(
            per_func=settings.waiting_per_func,
            cover_seconds=settings.waiting_cover_seconds,
            idle_seconds=settings.waiting_idle_seconds,
        )


@dataclass
class _Calls:
    """The recent calls of one func."""

    arrivals: deque[float]
    last_call: float = 0.0


@dataclass
class Demand:
    """The demand of all recently called funcs. Not safe to share between threads."""

    limits: DemandLimits
    _of_func: dict[str, _Calls] = field(default_factory=dict)
    _ready_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._ready_seconds = self.limits.first_ready_seconds

    def add_call(self, name: str, now: float) -> str | None:
        """Count a call of a func. Return the func that was forgotten to make room, if any."""
        forgotten = None
        if name not in self._of_func:
            if len(self._of_func) >= self.limits.max_funcs:
                forgotten = min(self._of_func, key=lambda it: self._of_func[it].last_call)
                self.forget(forgotten)
            self._of_func[name] = _Calls(deque(maxlen=self.limits.max_arrivals))
        calls = self._of_func[name]
        calls.last_call = now
        calls.arrivals.append(now)
        return forgotten

    def add_made(self, seconds: float) -> None:
        """Learn how long it took to make an instance."""
        self._ready_seconds += (seconds - self._ready_seconds) / 4

    def forget(self, name: str) -> None:
        """Forget a func and its calls."""
        self._of_func.pop(name, None)

    def target(self, name: str, now: float) -> int:
        """Return how many instances of a func should wait.

        This is the number of calls expected in `cover_seconds` plus the time to make an instance,
        at least 1 and at most `per_func`. Without demand it is 0.
        """
        calls = self._of_func.get(name)
        if calls is None or now > calls.last_call + self.limits.idle_seconds:
            return 0
        cover = self._ready_seconds + self.limits.cover_seconds
        return min(max(1, math.ceil(self._rate(calls, now) * cover)), self.limits.per_func)

    def lacking(self, waiting: Mapping[str, int], now: float) -> list[str]:
        """Return the funcs with too few waiting instances, the one that lacks most first."""
        order = []
        for name, calls in self._of_func.items():
            target, count = self.target(name, now), waiting.get(name, 0)
            if count < target:
                order.append((count / target, -calls.last_call, name))
        return [name for _, _, name in sorted(order)]

    def yielding(self, name: str, now: float) -> list[str]:
        """Return the funcs that give way to another, the least recently called first."""
        latest = min(self._of_func[name].last_call, now - self.limits.patience_seconds)
        others = sorted((calls.last_call, other) for other, calls in self._of_func.items())
        return [other for last_call, other in others if last_call <= latest and other != name]

    def _rate(self, calls: _Calls, now: float) -> float:
        """Return the calls per second."""
        while calls.arrivals and calls.arrivals[0] < now - self.limits.rate_seconds:
            calls.arrivals.popleft()
        if len(calls.arrivals) < 2:
            return 0.0
        return len(calls.arrivals) / max(1.0, now - calls.arrivals[0])
