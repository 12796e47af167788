"""Limits on long requests, so that short ones always find a thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType

from funcsvc.model.errors import TooManyWaits

WANTED_SECONDS = 10
"""How long a place counts as wanted after a request was refused for the lack of it."""

MANAGEMENT = "/"
"""The owner of places for requests of the management API. No func has this name."""


class ConcurrencyLimit:
    """A limit on how many requests of this process do one thing at once.

    `what` is that thing, as error messages put it: "follow logs". Each owner, which is a func as a
    rule, has a share of the places, of at least one. It may have more while nobody else wants them.
    Once an owner with less than a share is refused, requests beyond a share have to end, the
    longest one first, and nobody gets more than a share for a while.

    Requests that can't `end_early` get no more than a share, and one place is kept for management,
    which knows no share.
    """

    def __init__(
        self,
        what: str,
        max_requests: int,
        share_percent: int = 100,
        clock: Callable[[], float] = time.monotonic,
        *,
        end_early: bool = True,
    ) -> None:
        self._what = what
        self._max_requests = max_requests
        self._share = max(1, max_requests * share_percent // 100)
        self._end_early = end_early
        self._kept = 0 if end_early else min(1, max_requests - 1)
        self._clock = clock
        self._lock = Lock()
        self._held: dict[str, dict[Place, None]] = {}
        self._all_wanted_until = self._shares_apply_until = 0.0
        self._wanted_until: dict[str, float] = {}

    def take(self, owner: str = "") -> Place:
        """Take a place. Raises TooManyWaits if all are taken, or the owner has had its share."""
        with self._lock:
            if owner != MANAGEMENT:
                self._check_share(owner)
            self._check_total(self._max_requests - (0 if owner == MANAGEMENT else self._kept))
            place = Place(self, owner)
            self._held.setdefault(owner, {})[place] = None
        return place

    def is_wanted(self, owner: str) -> bool:
        """Tell whether a request was refused recently for the lack of a place, and still would be.

        Only requests that could have a place of this owner count.
        """
        with self._lock:
            until = 0.0
            if self._total() >= self._max_requests:
                until = self._all_wanted_until
            if self._count(owner) >= self._share:
                until = max(until, self._wanted_until.get(owner, 0))
        return self._clock() < until

    def give_back(self, place: Place) -> None:
        """Free a place."""
        with self._lock:
            held = self._held.get(place.owner, {})
            held.pop(place, None)
            if not held:
                self._held.pop(place.owner, None)
                self._wanted_until.pop(place.owner, None)

    def _check_share(self, owner: str) -> None:
        has_share = self._count(owner) >= self._share
        if has_share and (not self._end_early or self._clock() < self._shares_apply_until):
            self._wanted_until[owner] = self._clock() + WANTED_SECONDS
            raise TooManyWaits(self._what + (" of this function" if owner else ""), self._share)
        if not has_share and self._total() >= self._max_requests:
            self._shares_apply_until = self._clock() + WANTED_SECONDS
            self._ask_for_place(self._count(owner))

    def _check_total(self, most: int) -> None:
        if self._total() >= most:
            self._all_wanted_until = self._clock() + WANTED_SECONDS
            raise TooManyWaits(self._what, most)

    def _ask_for_place(self, count: int) -> None:
        """Have the longest request of the owner furthest beyond its share end.

        No more are asked at a time than complete the share of an owner who has `count` places.
        """
        places = [[*held] for held in self._held.values()]
        asked = sum(place.has_to_end for held in places for place in held)
        staying = [[place for place in held if not place.has_to_end] for held in places]
        longest = max(staying, key=len)
        if len(longest) > self._share and count + asked < self._share:
            longest[0].has_to_end = True

    def _count(self, owner: str) -> int:
        return len(self._held.get(owner, ()))

    def _total(self) -> int:
        return sum(map(len, self._held.values()))


class Place:
    """One request's place. As a context manager, it is freed at the end.

    The request that holds it `has_to_end` once another owner needs the place for its share.
    """

    def __init__(self, limit: ConcurrencyLimit, owner: str) -> None:
        self.owner = owner
        self.has_to_end = False
        self._limit = limit

    def is_wanted(self) -> bool:
        """Tell whether another request was refused recently for the lack of this place."""
        return self._limit.is_wanted(self.owner)

    def give_back(self) -> None:
        """Free the place, once."""
        self._limit.give_back(self)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.give_back()
