"""What a run of load gives, and the one error that ends a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CONNECTIONS = 16


class BenchFailed(Exception):
    """Raised when there is nothing to measure, or an answer was not the one expected."""


@dataclass(frozen=True)
class Run:
    """One run of load. Times are in milliseconds, the rate is per second."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def tail(self) -> float:
        """How many times the median the 99th percentile is."""
        return self.p99_ms / self.p50_ms


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of them are below; they are in order."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def interleave(contenders: Sequence[str], rounds: int) -> Iterator[str]:
    """Yield every contender once a round.

    Each round begins with the next one, and every other goes backwards, so that none has the same
    before it each time.
    """
    for number in range(rounds):
        first = number % len(contenders)
        order = [*contenders[first:], *contenders[:first]]
        yield from order if number % 2 == 0 else reversed(order)
