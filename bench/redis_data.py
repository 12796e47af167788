"""What the benchmark keeps in Redis, all of it below one prefix of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import redis

from bench import BenchFailed
from bench.servers import wait_until
from funcsvc.store import RedisKeys

_CHUNK = 2_000
_SETTLE_SECONDS = 30


@dataclass(frozen=True)
class Sample:
    """What a real create stored: the text, and the score in the index."""

    name: str
    text: str
    score: float

    def renamed(self, name: str) -> str:
        """Return the text that a create of another name would have stored."""
        old_uuid = json.loads(self.text)["UUID"]
        renamed = self.text.replace(f'"{self.name}"', f'"{name}"', 1)
        return renamed.replace(old_uuid, str(uuid.uuid4()), 1)


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

    def take_sample(self, name: str) -> Sample:
        """Return what the create of a func stored; it must be the only one below the prefix."""
        found = {str(key, "utf-8") for key in self._scan()}
        if found != {self._keys.func(name), self._keys.funcs}:
            raise BenchFailed(f"One create stored {sorted(found)}: the benchmark can't copy that.")
        text = str(self._redis.get(self._keys.func(name)), "utf-8")
        return Sample(name, text, float(self._redis.zscore(self._keys.funcs, name)))

    def fill(self, sample: Sample, funcs: int) -> None:
        """Store funcs in the shape of the sample, created a millisecond after one another."""
        for start in range(0, funcs, _CHUNK):
            pipeline = self._redis.pipeline(transaction=False)
            names = {fill_name(n): n for n in range(start, min(start + _CHUNK, funcs))}
            for name in names:
                pipeline.set(self._keys.func(name), sample.renamed(name))
            pipeline.zadd(self._keys.funcs, {name: sample.score + n for name, n in names.items()})
            pipeline.execute()

    def clear(self) -> int:
        """Remove every key below the prefix; return how many that were."""
        removed, keys = 0, self._scan()
        while chunk := list(islice(keys, _CHUNK)):
            removed += self._redis.unlink(*chunk)
        return removed

    def settle(self) -> None:
        """Wait until Redis does nothing in the background: freeing, rewriting its log, saving."""
        with suppress(BenchFailed):  # it is only about noise
            wait_until(lambda: not any(self._background()), "Redis settles", _SETTLE_SECONDS)

    def measure_memory(self, sample: Sample, funcs: int) -> dict[str, float]:
        """Store funcs; return the bytes of memory that each takes, by two ways of counting."""
        self.settle()
        before = self._used()
        self.fill(sample, funcs)
        self.settle()
        keys = (self._keys.funcs, self._keys.func(fill_name(0)))
        index, one = (self._redis.memory_usage(key, samples=0) for key in keys)
        return {
            "its key and its share of the index": one + index / funcs,
            f"used_memory over {funcs:,}": (self._used() - before) / funcs,
        }

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _scan(self) -> Iterator[bytes]:
        yield from self._redis.scan_iter(match=f"{self._prefix}*", count=_CHUNK)

    def _used(self) -> int:
        return int(self._redis.info("memory")["used_memory"])

    def _background(self) -> list[int]:
        persistence = self._redis.info("persistence")
        return [
            self._redis.info("memory")["lazyfree_pending_objects"],
            persistence["aof_rewrite_in_progress"],
            persistence["rdb_bgsave_in_progress"],
        ]


def fill_name(number: int) -> str:
    """Return the name of one of the many."""
    return f"helloworld-{number:06d}"
