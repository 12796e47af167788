"""What the benchmark keeps in Redis, all of it below one prefix of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import redis

from bench import BenchFailed
from dev.machine.waiting import NotInTime, wait_until
from funcsvc.store import RedisKeys

_CHUNK = 2_000


class RedisData:
    """The keys below a prefix of this run."""

    def __init__(self, url: str, prefix: str) -> None:
        self._prefix = prefix
        self._keys = RedisKeys(prefix)
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=5)

    def version(self) -> str:
        """Return the server's version; raises BenchFailed when there is none."""
        try:
            return str(self._redis.info("server")["redis_version"])
        except redis.RedisError as error:
            raise BenchFailed(f"No Redis answers at FUNCSVC_REDIS_URL: {error}") from None

    def get_service(self) -> str:
        """Return the name that a worker of this prefix labels its containers with."""
        return str(self._redis.get(self._keys.service), "utf-8")

    def get_definition(self, name: str) -> str:
        """Return what is stored of a func."""
        return str(self._redis.get(self._keys.func(name)), "utf-8")

    def copy_func(self, name: str, funcs: int) -> None:
        """Store what creates of other names would have stored, a millisecond after one another."""
        text, score = self.get_definition(name), self._redis.zscore(self._keys.funcs, name)
        old_uuid = json.loads(text)["UUID"]
        for start in range(0, funcs, _CHUNK):
            pipeline = self._redis.pipeline(transaction=False)
            for number in range(start, min(start + _CHUNK, funcs)):
                copy = copy_name(number)
                renamed = text.replace(f'"{name}"', f'"{copy}"', 1)
                pipeline.set(self._keys.func(copy), renamed.replace(old_uuid, str(uuid.uuid4()), 1))
                pipeline.zadd(self._keys.funcs, {copy: score + number})
            pipeline.execute()

    def clear(self) -> int:
        """Remove every key below the prefix; return how many that were."""
        removed, keys = 0, self._scan()
        while chunk := list(islice(keys, _CHUNK)):
            removed += self._redis.unlink(*chunk)
        return removed

    def settle(self) -> None:
        """Wait until Redis does nothing in the background: freeing, rewriting its log, saving."""
        with suppress(NotInTime):  # it is only about noise
            wait_until(lambda: not any(self._background()), "Redis settles")

    def used_bytes(self) -> int:
        """Return the memory that Redis uses in all."""
        self.settle()
        return int(self._redis.info("memory")["used_memory"])

    def func_bytes(self, funcs: int) -> float:
        """Return the memory of one copy's key and of its share of the index."""
        keys = (self._keys.func(copy_name(0)), self._keys.funcs)
        one, index = (self._redis.memory_usage(key, samples=0) for key in keys)
        return float(one + index / funcs)

    def close(self) -> None:
        self._redis.close()

    def _scan(self) -> Iterator[bytes]:
        yield from self._redis.scan_iter(match=f"{self._prefix}*", count=_CHUNK)

    def _background(self) -> Iterator[int]:
        yield self._redis.info("memory")["lazyfree_pending_objects"]
        persistence = self._redis.info("persistence")
        yield persistence["aof_rewrite_in_progress"]
        yield persistence["rdb_bgsave_in_progress"]


def copy_name(number: int) -> str:
    return f"helloworld-{number:06d}"
