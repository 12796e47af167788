"""What the benchmark keeps in Redis, all of it below one prefix of its own."""

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import redis

from dev.machine.waiting import NotInTime, wait_until
from funcsvc.store.keys import RedisKeys

_CHUNK = 2_000
_BACKGROUND = ("lazyfree_pending_objects", "aof_rewrite_in_progress", "rdb_bgsave_in_progress")


class RedisData:
    """The keys below a prefix of this run."""

    def __init__(self, url: str, prefix: str) -> None:
        self._prefix = prefix
        self._keys = RedisKeys(prefix)
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=5)

    def info(self) -> dict[str, Any]:
        return dict(self._redis.info())

    def get_service(self) -> str:
        """Return the name that a worker of this prefix labels its containers with."""
        return str(self._redis.get(self._keys.service), "utf-8")

    def get_definition(self, name: str) -> str:
        """Return what is stored of a func."""
        return str(self._redis.get(self._keys.func(name)), "utf-8")

    def copy_func(self, name: str, funcs: int) -> None:
        """Store what creates of NAME-0, NAME-1 … would have stored, a millisecond apart."""
        text, score = self.get_definition(name), self._redis.zscore(self._keys.funcs, name)
        old_uuid = json.loads(text)["UUID"]
        for start in range(0, funcs, _CHUNK):
            pipeline = self._redis.pipeline(transaction=False)
            for number in range(start, min(start + _CHUNK, funcs)):
                copy = text.replace(f'"{name}"', f'"{name}-{number}"', 1)
                copy = copy.replace(old_uuid, str(uuid.uuid4()), 1)
                pipeline.set(self._keys.func(f"{name}-{number}"), copy)
                pipeline.zadd(self._keys.funcs, {f"{name}-{number}": score + number})
            pipeline.execute()

    def clear(self) -> int:
        """Remove every key below the prefix; return how many that were."""
        removed, keys = 0, self._scan()
        while chunk := list(islice(keys, _CHUNK)):
            removed += self._redis.unlink(*chunk)
        return removed

    def _scan(self) -> Iterator[bytes]:
        yield from self._redis.scan_iter(match=f"{self._prefix}*", count=_CHUNK)

    def settle(self) -> None:
        """Wait until Redis does nothing in the background: freeing, rewriting its log, saving."""
        with suppress(NotInTime):  # it is only about noise
            wait_until(lambda: not any(self.info()[it] for it in _BACKGROUND), "Redis settles")

    def func_bytes(self, name: str, funcs: int) -> float:
        """Return the memory of a func's key and of its share of the index."""
        keys = (self._keys.func(name), self._keys.funcs)
        one, index = (self._redis.memory_usage(key, samples=0) for key in keys)
        return float(one + index / funcs)
