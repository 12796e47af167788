"""Removes the calls of deleted funcs, in steps that each hold Redis for milliseconds only."""

from __future__ import annotations

import time
from collections.abc import Callable

from funcsvc.store.client import RedisClient
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import get_script

STEP_CALLS = 100
"""How many calls one step removes."""

FINISH_SECONDS = 5
"""How long one process removes a func's calls. The rest is left to the next look of a worker."""

LEFT_BEHIND_MS = 6_000
"""How old a removal is before workers go on with it: its own process has given up by then."""


class Removals:
    """The deleted funcs whose calls, outputs and events are still to be removed.

    A removal can be done by several processes at once, and continued by any of them.
    """

    def __init__(
        self,
        client: RedisClient,
        keys: RedisKeys,
        step_calls: int = STEP_CALLS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._keys = keys
        self._step_calls = step_calls
        self._clock = clock

    def finish(self, name: str) -> bool:
        """Remove what a deleted func has left, for a few seconds. Return whether nothing is left.

        One step more can follow, as long as Redis takes to answer.
        """
        end = self._clock() + FINISH_SECONDS
        while not (is_done := self.step(name)) and self._clock() < end:
            pass
        return is_done

    def step(self, name: str) -> bool:
        """Remove some of the calls. Return whether nothing is left."""
        script = get_script("remove_calls", self._keys)
        return bool(self._client.run(script, [name, self._step_calls]) == b"done")

    def list_left_behind(self) -> list[str]:
        """Return the names of at most 10 deleted funcs whose processes have given up or died."""
        key, until_ms = self._keys.removing, self._client.time_ms() - LEFT_BEHIND_MS
        found = self._client.read(
            lambda client: client.zrangebyscore(key, "-inf", until_ms, start=0, num=10)
        )
        return [str(name, "utf-8") for name in found]
