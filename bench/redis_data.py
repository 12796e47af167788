"""What the benchmark keeps in Redis, all of it below one prefix of its own."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from bench.runs import BenchFailed
from funcsvc.store import RedisKeys

FILL = 100_000
"""How many funcs count as many."""

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
        return self.text.replace(f'"{self.name}"', f'"{name}"', 1).replace(
            old_uuid, str(uuid.uuid4()), 1
        )


@dataclass(frozen=True)
class Memory:
    """Bytes of Redis memory for each stored helloworld, by two ways of counting."""

    of_keys: float
    of_server: float


class RedisData:
    """The keys below a prefix of this run."""

    def __init__(self, url: str, prefix: str) -> None:
        self.prefix = prefix
        self.keys = RedisKeys(prefix)
        self._redis = redis.Redis.from_url(url, socket_timeout=30, socket_connect_timeout=5)

    def version(self) -> str:
        """Return the server's version; raises BenchFailed when there is none."""
        try:
            return str(self._info("server")["redis_version"])
        except redis.RedisError as error:
            raise BenchFailed(f"No Redis answers at FUNCSVC_REDIS_URL: {error}") from None

    def service(self) -> str:
        """Return the name that a worker of this prefix labels its containers with."""
        return str(self._redis.get(self.keys.service), "utf-8")  # type: ignore[arg-type]

    def get_field(self, key: str, field: str) -> bytes:
        """Return a field of a hash."""
        return bytes(self._redis.hget(key, field))  # type: ignore[arg-type]

    def take_sample(self, name: str) -> Sample:
        """Return what the create of a func stored; it must be the only one below the prefix."""
        found = {str(key, "utf-8") for key in self._scan()}
        if found != {self.keys.func(name), self.keys.funcs}:
            raise BenchFailed(f"One create stored {sorted(found)}: the benchmark can't copy that.")
        text, score = (
            self._redis.get(self.keys.func(name)),
            self._redis.zscore(self.keys.funcs, name),
        )
        return Sample(name, str(text, "utf-8"), float(score))  # type: ignore[arg-type]

    def fill(self, sample: Sample, funcs: int = FILL) -> None:
        """Store funcs in the shape of the sample, created a millisecond after one another."""
        for start in range(0, funcs, _CHUNK):
            names = [fill_name(number) for number in range(start, min(start + _CHUNK, funcs))]
            pipeline = self._redis.pipeline(transaction=False)
            for name in names:
                pipeline.set(self.keys.func(name), sample.renamed(name))
            scores = {name: sample.score + start + i for i, name in enumerate(names)}
            pipeline.zadd(self.keys.funcs, scores)
            pipeline.execute()

    def clear(self) -> int:
        """Remove every key below the prefix; return how many funcs that were."""
        removed, chunk = 0, []
        for key in self._scan():
            chunk.append(key)
            if len(chunk) == _CHUNK:
                removed += int(self._redis.unlink(*chunk))  # type: ignore[arg-type]
                chunk.clear()
        if chunk:
            removed += int(self._redis.unlink(*chunk))  # type: ignore[arg-type]
        return removed

    def settle(self) -> None:
        """Wait until Redis does nothing in the background: freeing, rewriting its log, saving."""
        _wait(lambda: not any(self._background()))

    def memory(self, sample: Sample) -> Memory:
        """Fill an empty prefix and return what a func takes; it stays filled."""
        self.settle()
        before = self._used()
        self.fill(sample)
        self.settle()
        grown = self._used() - before
        of_index = self._usage(self.keys.funcs) / FILL
        return Memory(self._usage(self.keys.func(fill_name(0))) + of_index, grown / FILL)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _scan(self) -> Any:
        return self._redis.scan_iter(match=f"{self.prefix}*", count=_CHUNK)

    def _info(self, section: str) -> dict[str, Any]:
        return self._redis.info(section)  # type: ignore[return-value]

    def _used(self) -> int:
        return int(self._info("memory")["used_memory"])

    def _usage(self, key: str) -> int:
        return int(self._redis.memory_usage(key, samples=0))  # type: ignore[arg-type]

    def _background(self) -> list[int]:
        persistence = self._info("persistence")
        return [
            self._info("memory")["lazyfree_pending_objects"],
            persistence["aof_rewrite_in_progress"],
            persistence["rdb_bgsave_in_progress"],
        ]


def fill_name(number: int) -> str:
    """Return the name of one of the many."""
    return f"helloworld-{number:06d}"


def _wait(is_done: Callable[[], bool]) -> None:
    """Wait for a condition, and go on without it after a while: it is only about noise."""
    end = time.monotonic() + _SETTLE_SECONDS
    while not is_done() and time.monotonic() < end:
        time.sleep(0.1)
