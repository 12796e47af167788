"""One look at what the service needs, shared by health checks that ask at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

REMEMBERED_SECONDS = 1
STALE_SECONDS = 10
"""How old the last look may be to be told while a new one is being made."""

OVERDUE_SECONDS = 1
"""How long a look may take before further checks no longer wait for it."""

MAX_WAIT_SECONDS = 60

HEALTH_THREADS = 4
"""How many threads a web process has for health checks, besides those for all other requests."""

MAX_WAITING = HEALTH_THREADS - 2
"""How many requests may wait for an overdue look that another one makes."""


class SharedLook:
    """Shares one look, which returns what is wrong as sentences, between threads.

    The longest that anybody waits is one look. Once it is overdue, only a small number wait on.
    """

    def __init__(
        self,
        look: Callable[[], list[str]],
        clock: Callable[[], float] = time.monotonic,
        overdue_seconds: float = OVERDUE_SECONDS,
    ) -> None:
        self._look = look
        self._clock = clock
        self._overdue_seconds = overdue_seconds
        self._changed = Condition()
        self._begun: float | None = None
        self._waiting = 0
        self._last: tuple[float, list[str]] | None = None

    def get(self) -> list[str]:
        """Return what was wrong at the last look, or at a new one."""
        with self._changed:
            if self._begun is not None:
                return self._shared(self._begun + self._overdue_seconds - self._clock())
            if self._last and self._age() <= REMEMBERED_SECONDS:
                return self._last[1]
            self._begun = self._clock()
        return self._make()

    def _shared(self, seconds_until_overdue: float) -> list[str]:
        """Return what was wrong at the last look, or at the one that another thread is making."""
        if self._age() > STALE_SECONDS:
            may_wait_on = self._waiting < MAX_WAITING
            self._wait(MAX_WAIT_SECONDS if may_wait_on else max(0, seconds_until_overdue))
        if self._last and self._age() <= STALE_SECONDS:
            return self._last[1]
        return ["Redis and the Docker Engine haven't answered yet."]

    def _age(self) -> float:
        return self._clock() - self._last[0] if self._last else float("inf")

    def _wait(self, seconds: float) -> None:
        self._waiting += 1
        self._changed.wait_for(lambda: self._begun is None, seconds)
        self._waiting -= 1

    def _make(self) -> list[str]:
        wrong = ["The service failed unexpectedly; its log says more."]
        try:
            wrong = self._look()
        finally:
            with self._changed:
                self._last = self._clock(), wrong
                self._begun = None
                self._changed.notify_all()
        return wrong
