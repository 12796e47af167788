"""Definitions in Redis, one key for each name, and an index by time of creation."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence

from funcsvc.model import Func
from funcsvc.model.errors import FuncBusy, FuncExists, FuncNotFound, StoreUnavailable
from funcsvc.store.client import RedisClient, Scored
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import Script, get_script
from funcsvc.store.translation import AnswerLost

MAX_UPDATE_ATTEMPTS = 200
"""How often an update is tried anew: each time, another one of the same func has come through."""


class FuncStore:
    """The stored funcs. Every method may raise StoreUnavailable, and then has changed nothing.

    A definition is the JSON text that was answered when it was written, and is read back as it is.
    """

    def __init__(self, client: RedisClient, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys

    def create_func(self, func: Func, definition: str) -> None:
        """Store a func that is not there yet; raises FuncExists."""
        verdict = self._create(func, definition)
        if verdict == "lost":
            verdict = self._create(func, definition)
        if verdict == "lost":
            raise StoreUnavailable("the connection broke")
        if verdict == "exists":
            raise FuncExists(func.name)

    def get_func(self, name: str) -> str:
        """Return the definition of a func; raises FuncNotFound."""
        stored = self._client.get(self._keys.func(name))
        if stored is None:
            raise FuncNotFound(name)
        return stored

    def get_funcs(self, names: Sequence[str]) -> list[str]:
        """Return the definitions of those of the names that are there, in that order."""
        stored = self._client.get_many([self._keys.func(name) for name in names])
        return [definition for definition in stored if definition is not None]

    def list_funcs(self, before: str | None = None, page_funcs: int = 500) -> Iterator[list[str]]:
        """Yield the definitions, newest first, in lists of `page_funcs` at the most.

        Begins after the func `before`; raises FuncNotFound when there is none of that name.
        """
        start = None
        if before is not None:
            score = self._client.score(self._keys.funcs, before)
            if score is None:
                raise FuncNotFound(before)
            start = (before, score)
        return self._list_below(start, page_funcs)

    def update_func(self, name: str, change: Callable[[str], str]) -> str:
        """Put what `change` makes of a definition in its place, and return it.

        Calls `change` again with what is stored by then when another update came first. Raises
        FuncNotFound, and what `change` raises.
        """
        for _ in range(MAX_UPDATE_ATTEMPTS):
            before = self.get_func(name)
            after = change(before)
            if after == before or self._swap(name, before, after):
                return after
            time.sleep(random.uniform(0, 0.01))  # noqa: S311  # only to let the others through
        raise StoreUnavailable(f"it was changed by others {MAX_UPDATE_ATTEMPTS} times in a row")

    def delete_func(self, name: str) -> None:
        """Remove a func, its calls, outputs and events; raises FuncNotFound or FuncBusy."""
        self.get_func(name)
        try:
            verdict = self._delete(name)
        except AnswerLost as error:
            if self._client.get(self._keys.func(name)) is None:
                return
            if error.timed_out:
                raise
            verdict = self._delete(name)
        if verdict == "busy":
            raise FuncBusy(name)

    def _delete(self, name: str) -> str:
        return self._client.write(self._script("delete_func"), [name])

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis can be used."""
        self._client.check()

    def _script(self, name: str) -> Script:
        return get_script(name, self._keys)

    def _list_below(self, last: Scored | None, page_funcs: int) -> Iterator[list[str]]:
        """Read page by page; a func that is there all the time is in exactly one of them."""
        while page := self._client.highest(self._keys.funcs, last, page_funcs):
            yield self.get_funcs([name for name, _ in page])
            last = page[-1]

    def _swap(self, name: str, before: str, after: str) -> bool:
        try:
            return (
                self._client.write(self._script("update_func"), [name, before, after]) == "updated"
            )
        except AnswerLost as error:
            if self._client.get(self._keys.func(name)) == after:
                return True
            if error.timed_out:
                raise
            return False

    def _create(self, func: Func, definition: str) -> str:
        """Return "created", "exists", or "lost" where the connection broke before it was stored."""
        created_ms = int(func.created.timestamp() * 1000)
        arguments: list[str | int] = [definition, func.name, created_ms]
        try:
            return self._client.write(self._script("create_func"), arguments)
        except AnswerLost as error:
            stored = self._client.get(self._keys.func(func.name))
            if stored is not None:  # its UUID is new, and tells it from any other
                return "created" if stored == definition else "exists"
            if error.timed_out:
                raise
            return "lost"
