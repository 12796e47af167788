"""Definitions in Redis: one key per func, and an index by creation time."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from funcsvc.model import Func
from funcsvc.model.errors import (
    FuncBeingRemoved,
    FuncBusy,
    FuncExists,
    FuncNotFound,
    ImageBeingRemoved,
    StoreUnavailable,
)
from funcsvc.store.client import RedisClient, Scored
from funcsvc.store.keys import RedisKeys
from funcsvc.store.removals import Removals
from funcsvc.store.scripts import Argument, get_script
from funcsvc.store.settle import settle

MAX_UPDATE_ATTEMPTS = 200
"""How many times an update is tried while other updates of the same func come first."""

_log = logging.getLogger(__name__)


class RedisFuncStore:
    """A FuncStore over Redis."""

    def __init__(self, client: RedisClient, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys
        self._removals = Removals(client, keys)

    def create_func(self, func: Func, definition: str, image_id: str = "") -> None:
        created_ms = int(func.created.timestamp() * 1000)
        verdict = settle(
            lambda: self._write("create_func", definition, func.name, created_ms, image_id),
            partial(self._read_back_create, func.name, definition),
        )
        if verdict == "exists":
            raise FuncExists(func.name)
        if verdict == "removing":
            raise FuncBeingRemoved(func.name)
        if verdict == "image":
            raise ImageBeingRemoved(func.config.image.text)

    def get_func(self, name: str) -> str:
        stored = self._client.get(self._keys.func(name))
        if stored is None:
            raise FuncNotFound(name)
        return stored

    def get_funcs(self, names: Sequence[str]) -> list[str]:
        stored = self._client.get_many([self._keys.func(name) for name in names])
        return [definition for definition in stored if definition is not None]

    def list_funcs(self, before: str | None = None, page_funcs: int = 500) -> Iterator[list[str]]:
        start = None
        if before is not None:
            score = self._client.score(self._keys.funcs, before)
            if score is None:
                raise FuncNotFound(before)
            start = (before, score)
        return self._list_below(start, page_funcs)

    def update_func(self, name: str, change: Callable[[str], str]) -> str:
        for _ in range(MAX_UPDATE_ATTEMPTS):
            before = self.get_func(name)
            after = change(before)
            if after == before or self._swap(name, before, after):
                return after
            time.sleep(random.uniform(0, 0.01))  # noqa: S311  # only to let other updates through
        raise StoreUnavailable(f"others changed the func {MAX_UPDATE_ATTEMPTS} times in a row")

    def delete_func(self, name: str, *, force: bool = False) -> None:
        self._get_or_find_removed(name)
        verdict = settle(
            lambda: self._write("delete_func", name, int(force)),
            lambda: "deleted" if self._client.get(self._keys.func(name)) is None else None,
        )
        if verdict == "busy":
            raise FuncBusy(name)
        try:
            if not self._removals.finish(name):
                _log.info("the calls of a deleted function are too many to be removed at once")
        except StoreUnavailable as error:  # the func is gone; workers remove what it has left
            _log.warning("the calls of a deleted function aren't removed yet: %s", error.message)

    def announce_image_removal(self, image_id: str, seconds: float) -> None:
        key, lifetime_ms = self._keys.image_removal(image_id), max(1, int(seconds * 1000))
        self._client.repeat(lambda client: client.set(key, "1", px=lifetime_ms))

    def check(self) -> None:
        self._client.check()

    def _get_or_find_removed(self, name: str) -> None:
        """Raise FuncNotFound if there is neither such a func nor a removal of one."""
        if self._client.score(self._keys.removing, name) is None:
            self.get_func(name)

    def _write(self, script: str, *arguments: Argument) -> str:
        return self._client.write(get_script(script, self._keys), arguments)

    def _list_below(self, last: Scored | None, page_funcs: int) -> Iterator[list[str]]:
        """Read page by page. A func that exists throughout is in exactly one page."""
        while page := self._client.highest(self._keys.funcs, last, page_funcs):
            yield self.get_funcs([name for name, _ in page])
            last = page[-1]

    def _swap(self, name: str, before: str, after: str) -> bool:
        key = self._keys.func(name)
        verdict = settle(
            lambda: self._write("update_func", name, before, after),
            lambda: "updated" if self._client.get(key) == after else None,
        )
        return verdict == "updated"

    def _read_back_create(self, name: str, definition: str) -> str | None:
        stored = self._client.get(self._keys.func(name))
        if stored is None:
            return None
        return "created" if stored == definition else "exists"  # each create has its own UUID
