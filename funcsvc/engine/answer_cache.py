"""A cache of the engine's answers for a few seconds. Concurrent misses share one request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from threading import Lock
from typing import Generic, TypeVar

from cachetools import TTLCache

T = TypeVar("T")

MAX_REMEMBERED = 1024


class AnswerCache(Generic[T]):
    """Answers by key, each valid for `seconds`.

    Beyond MAX_REMEMBERED answers, the least recently used is dropped. Threads that ask for the same
    key at the same time share one request, with its answer or its error, so a slow engine holds
    none of them longer than that request's deadline. Errors and None aren't cached.
    """

    def __init__(self, seconds: float) -> None:
        self._answers: TTLCache[str, T] = TTLCache(MAX_REMEMBERED, seconds)
        self._asking: dict[str, futures.Future[T]] = {}
        self._lock = Lock()

    def get(self, key: str, ask: Callable[[], T]) -> T:
        """Return the cached answer, or what `ask` returns. Raises what `ask` raises."""
        with self._lock:
            try:
                return self._answers[key]
            except KeyError:
                pass
            asked = self._asking.get(key)
            if asked is None:
                mine = self._asking[key] = futures.Future()
        if asked is not None:
            return asked.result()
        return self._ask(key, ask, mine)

    def forget(self, key: str) -> None:
        """Drop the answer for a key, so that the next `get` asks again."""
        with self._lock:
            self._answers.pop(key, None)

    def clear(self) -> None:
        """Drop every answer."""
        with self._lock:
            self._answers.clear()

    def _ask(self, key: str, ask: Callable[[], T], mine: futures.Future[T]) -> T:
        try:
            answer = ask()
        except BaseException as error:
            self._end(key)
            mine.set_exception(error)
            raise
        with self._lock:
            if answer is not None:
                self._answers[key] = answer
        self._end(key)
        mine.set_result(answer)
        return answer

    def _end(self, key: str) -> None:
        with self._lock:
            del self._asking[key]
