"""Definitions in Redis, one key for each name."""

from __future__ import annotations

from importlib.resources import files

from funcsvc.errors import FuncExists, FuncNotFound, StoreUnavailable
from funcsvc.models import Func
from funcsvc.redis_keys import RedisKeys
from funcsvc.store.redis_client import AnswerLost, RedisClient, Script


def _script(name: str) -> Script:
    return Script(files(__package__).joinpath(f"{name}.lua").read_text())


_CREATE = _script("create_func")


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
        """Return the definition of a func, as it was stored; raises FuncNotFound."""
        stored = self._client.get(self._keys.func(name))
        if stored is None:
            raise FuncNotFound(name)
        return stored

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis can be used."""
        self._client.check()

    def _keys_of(self, name: str) -> list[str]:
        return [self._keys.func(name), self._keys.funcs]

    def _create(self, func: Func, definition: str) -> str:
        """Return "created", "exists", or "lost" where the connection broke before it was stored."""
        created_ms = int(func.created.timestamp() * 1000)
        arguments: list[str | int] = [definition, func.name, created_ms]
        try:
            return self._client.write(_CREATE, self._keys_of(func.name), arguments)
        except AnswerLost as error:
            stored = self._client.get(self._keys.func(func.name))
            if stored is not None:  # its UUID is new, and tells it from any other
                return "created" if stored == definition else "exists"
            if error.timed_out:
                raise
            return "lost"
