"""Definitions in Redis, one key for each name."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import Any

from funcsvc.errors import FuncExists, FuncNotFound, StoreUnavailable
from funcsvc.models import Func
from funcsvc.redis_keys import RedisKeys
from funcsvc.store.redis_client import ConnectionLost, RedisClient, Script

_CREATE = Script(files(__package__).joinpath("create_func.lua").read_text())

DEADLINE_SHARE = 0.8
"""How much of a request's time Redis may use before the script refuses to write.

The rest is for the answer to travel: what is written must not be answered with an error.
"""


class FuncStore:
    """The stored funcs. Every method may raise StoreUnavailable, and then has changed nothing.

    A func is stored as the text that its creation answered, so that what is read back is equal.
    """

    def __init__(self, client: RedisClient, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys
        self._clock_offset_ms: float | None = None

    def create_func(self, func: Func, definition: str) -> None:
        """Store a func that is not there yet; raises FuncExists."""
        try:
            verdict = self._run_create(func, definition)
            if verdict == "late":  # the clocks moved apart: nothing was written, and now they agree
                verdict = self._run_create(func, definition)
        except ConnectionLost:
            self._settle(func, definition)
            return
        if verdict == "exists":
            raise FuncExists(func.name)
        if verdict == "late":
            raise StoreUnavailable("it did not answer in time")

    def get_definition(self, name: str) -> dict[str, Any]:
        """Return the stored definition of a func; raises FuncNotFound."""
        stored = self._client.get(self._keys.func(name))
        if stored is None:
            raise FuncNotFound(name)
        definition: dict[str, Any] = json.loads(stored)
        return definition

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis can be used."""
        self._client.check()

    def _run_create(self, func: Func, definition: str) -> str:
        keys = [self._keys.func(func.name), self._keys.funcs]
        created_ms = int(func.created.timestamp() * 1000)
        verdict, now_ms = self._client.run(
            _CREATE, keys, [definition, func.name, created_ms, self._deadline_ms()]
        )
        self._set_clock(now_ms)
        return str(verdict, "ascii")

    def _settle(self, func: Func, definition: str) -> None:
        """Find out what became of a create whose connection broke before its answer.

        Its UUID is new, so that its own definition can be told from any other.
        """
        stored = self._client.get(self._keys.func(func.name))
        if stored is None:
            raise StoreUnavailable("the connection broke")
        if stored != definition.encode():
            raise FuncExists(func.name)

    def _deadline_ms(self) -> int:
        if self._clock_offset_ms is None:
            self._set_clock(self._client.time_ms())
        assert self._clock_offset_ms is not None
        patience_ms = self._client.timeout_seconds * 1000 * DEADLINE_SHARE
        return int(time.monotonic() * 1000 + self._clock_offset_ms + patience_ms)

    def _set_clock(self, redis_now_ms: int) -> None:
        self._clock_offset_ms = redis_now_ms - time.monotonic() * 1000
