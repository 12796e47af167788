"""Limits on long requests, so that short ones always find a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

from funcsvc.model.errors import TooManyWaits


class ConcurrencyLimit:
    """A limit on how many requests of this process do one thing at once.

    `what` is that thing, as error messages put it: "follow logs".
    """

    def __init__(self, what: str, max_requests: int) -> None:
        self._what = what
        self._max_requests = max_requests
        self._free = Semaphore(max_requests)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Count as one of these requests. Raises TooManyWaits if the limit is reached."""
        if not self._free.acquire(blocking=False):
            raise TooManyWaits(self._what, self._max_requests)
        try:
            yield
        finally:
            self._free.release()
