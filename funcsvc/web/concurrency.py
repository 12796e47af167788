"""Limits on requests that take long, so that short ones always find a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

from funcsvc.model.errors import TooManyWaits


class ConcurrencyLimit:
    """How many requests of this process may do one thing at once: `what` they do, for messages."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._free = Semaphore(most)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be one of them. Raises TooManyWaits if the limit is reached."""
        if not self._free.acquire(blocking=False):
            raise TooManyWaits(self._what, self._most)
        try:
            yield
        finally:
            self._free.release()
