"""Limits on long requests, so that short ones always find a thread."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from threading import Lock
from types import TracebackType

from funcsvc.model.errors import TooManyWaits

WANTED_SECONDS = 10
"""How long a place counts as wanted after a request was refused for the lack of it."""


class ConcurrencyLimit:
    """A limit on how many requests of this process do one thing at once.

    `what` is that thing, as error messages put it: "follow logs". One func may have at most its
    share of the places, but always one.
    """

    def __init__(
        self,
        what: str,
        max_requests: int,
        share_percent: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._max_requests = max_requests
        self._share = max(1, max_requests * share_percent // 100)
        self._clock = clock
        self._lock = Lock()
        self._held: Counter[str] = Counter()
        self._all_wanted_until = 0.0
        self._wanted_until: dict[str, float] = {}

    def take(self, func_name: str = "") -> Place:
        """Take a place. Raises TooManyWaits if all are taken, or the func has had its share."""
        with self._lock:
            if self._held.total() >= self._max_requests:
                self._all_wanted_until = self._clock() + WANTED_SECONDS
                raise TooManyWaits(self._what, self._max_requests)
            if self._held[func_name] >= self._share:
                self._wanted_until[func_name] = self._clock() + WANTED_SECONDS
                raise TooManyWaits(f"{self._what} of this function", self._share)
            self._held[func_name] += 1
        return Place(self, func_name)

    def is_wanted(self, func_name: str) -> bool:
        """Tell whether a request was refused recently for the lack of a place, and still would be.

        Only requests that could have a place of this func count.
        """
        with self._lock:
            until = 0.0
            if self._held.total() >= self._max_requests:
                until = self._all_wanted_until
            if self._held[func_name] >= self._share:
                until = max(until, self._wanted_until.get(func_name, 0))
        return self._clock() < until

    def give_back(self, func_name: str) -> None:
        """Free a place."""
        with self._lock:
            self._held[func_name] -= 1
            if not self._held[func_name]:
                del self._held[func_name]
                self._wanted_until.pop(func_name, None)


class Place:
    """One request's place. As a context manager, it is freed at the end."""

    def __init__(self, limit: ConcurrencyLimit, func_name: str) -> None:
        self._limit = limit
        self._func_name = func_name

    def is_wanted(self) -> bool:
        """Tell whether another request was refused recently for the lack of this place."""
        return self._limit.is_wanted(self._func_name)

    def give_back(self) -> None:
        """Free the place, once."""
        self._limit.give_back(self._func_name)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_back()
