"""One look at what the service needs, shared by health checks that ask at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

REMEMBERED_SECONDS = 1
STALE_SECONDS = 10
"""How old the last look may be to be told while a new one is being made."""

MAX_WAIT_SECONDS = 60

HEALTH_THREADS = 4
"""How many threads a web process has for health checks, besides those for all other requests."""

MAX_WAITING = HEALTH_THREADS - 2
"""How many requests may wait for the look that another one makes."""


class SharedLook:
    """Shares one look, which returns what is wrong as sentences, between threads.

    The longest that anybody waits is one look. Beyond a small number of requests nobody waits.
    """

    def __init__(
        self, look: Callable[[], list[str]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look = look
        self._clock = clock
        self._changed = Condition()
        self._is_looking = False
        self._waiting = 0
        self._last: tuple[float, list[str]] | None = None

    def get(self) -> list[str]:
        """Return what was wrong at the last look, or at a new one."""
        with self._changed:
            if self._age() <= REMEMBERED_SECONDS or (self._is_looking and self._is_full()):
                return self._known()
            if self._is_looking:
                return self._wait()
            self._is_looking = True
        return self._make()

    def _is_full(self) -> bool:
        return self._waiting >= MAX_WAITING or self._age() <= STALE_SECONDS

    def _age(self) -> float:
        return self._clock() - self._last[0] if self._last else float("inf")

    def _known(self) -> list[str]:
        if self._last is not None and self._age() <= STALE_SECONDS:
            return self._last[1]
        return ["Redis and the Docker Engine haven't answered yet."]

    def _wait(self) -> list[str]:
        self._waiting += 1
        self._changed.wait_for(lambda: not self._is_looking, MAX_WAIT_SECONDS)
        self._waiting -= 1
        return self._known()

    def _make(self) -> list[str]:
        wrong = ["The service failed unexpectedly; its log says more."]
        try:
            wrong = self._look()
        finally:
            with self._changed:
                self._last = self._clock(), wrong
                self._is_looking = False
                self._changed.notify_all()
        return wrong
