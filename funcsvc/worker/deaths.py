"""Containers that ended before their call began: whether another would end too, and their words."""

from __future__ import annotations

import threading
from signal import SIGINT, SIGKILL, SIGTERM

from cachetools import LRUCache

from funcsvc.engine import ContainerState

MAX_CALLS = 1024
"""The deaths of this many calls are remembered, those that came last."""

_NO_FRAME = 125
"""The starter's exit status where it got no frame; it says nothing if its input just ended."""

_ENDED_FROM_OUTSIDE = frozenset(128 + number for number in (SIGINT, SIGKILL, SIGTERM))


class NeverBegan(Exception):
    """Raised when a call's command certainly did not run, and never will.

    `last_words` is what is known of its container's end. `is_death` tells that the container ended
    by itself, or had to be killed, as another one probably would.
    """

    def __init__(self, last_words: str = "", *, is_death: bool = False) -> None:
        self.last_words = last_words
        self.is_death = is_death

    @property
    def reason(self) -> str:
        """Why the call could not begin, as a part of the failure's sentence."""
        return f"its containers ended before it could begin{self.last_words}."


def death_of(state: ContainerState, said: bytes, nonce: str) -> NeverBegan:
    """Return the end of a container whose call never began. `said` is its standard error."""
    words = " ".join(said.decode("utf-8", "replace").replace(nonce, "…").split()).rstrip(".")
    cause = "out of memory" if state.out_of_memory else f"exit code {state.exit_code}"
    is_from_outside = state.exit_code in _ENDED_FROM_OUTSIDE and not state.out_of_memory
    got_no_frame = state.exit_code == _NO_FRAME and not words
    return NeverBegan(
        f" ({cause}){': ' if words else ''}{words}",
        is_death=not is_from_outside and not got_no_frame,
    )


def late_death(seconds: float) -> NeverBegan:
    """Return the end of a container that was killed because its call didn't begin in time."""
    return NeverBegan(f" (killed after {seconds:g} seconds)", is_death=True)


class Deaths:
    """How many containers of each call ended by themselves. Safe to share between threads.

    A call that is put back can come to another worker, which begins to count again.
    """

    def __init__(self, max_deaths: int) -> None:
        self._max_deaths = max_deaths
        self._of_call: LRUCache[str, int] = LRUCache(MAX_CALLS)
        self._lock = threading.Lock()

    def add(self, call_id: str) -> bool:
        """Count a death. Return True if the call may cost no other, and forget the call then."""
        with self._lock:
            count = self._of_call.pop(call_id, 0) + 1
            if count < self._max_deaths:
                self._of_call[call_id] = count
            return count >= self._max_deaths
