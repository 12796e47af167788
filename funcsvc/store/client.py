"""The Redis client: deadlines, bounded pools, translated errors, no retries by redis-py.

redis-py retries by default, which can carry out a write twice. Here only commands that are safe to
repeat are sent again.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from funcsvc.model.errors import StoreUnavailable
from funcsvc.store.connections import make_pool
from funcsvc.store.scripts import Argument, Script
from funcsvc.store.translation import AnswerLost, translated

MIN_VERSION = (6, 2)

DEADLINE_SHARE = 0.8
"""The share of a command's time after which a script refuses to write.

The rest leaves time for the answer to arrive, so that a write that was made isn't reported as an
error.
"""

MAX_BLOCK_SECONDS = 5
"""The longest that one read blocks. A caller that wants to wait longer waits again."""

Scored = tuple[str, float]
"""A member of a sorted set with its score."""


@dataclass(frozen=True, kw_only=True)
class ClientLimits:
    """The limits of one client.

    A command takes at most half of `timeout_seconds`; the other half is for finding out what became
    of a write whose answer was lost. At most `max_threads` threads can use the client, and at most
    `max_blocked` of them can block at a time, for `max_block_seconds` each.
    """

    timeout_seconds: float
    max_threads: int = 1
    max_blocked: int = 1
    max_block_seconds: float = MAX_BLOCK_SECONDS
    deadline_share: float = DEADLINE_SHARE

    @property
    def command_seconds(self) -> float:
        """The time limit of one command."""
        return self.timeout_seconds / 2


class RedisClient:
    """Commands to one Redis, each of which returns in time or raises StoreUnavailable.

    Each thread keeps its own connection, because taking one from a pool and checking it costs as
    much as the command itself. Connections are opened by a thread's first command, so a client can
    be created before a fork.
    """

    def __init__(
        self, url: str, limits: ClientLimits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._clock_offset_ms: float | None = None
        self._of_thread = threading.local()
        seconds = limits.command_seconds
        self._pool = make_pool(url, seconds, limits.max_threads)
        self._blocking_pool = make_pool(url, limits.max_block_seconds + seconds, limits.max_blocked)
        self._blocking = redis.Redis(connection_pool=self._blocking_pool)

    def get(self, key: str) -> str | None:
        """Return the string at a key, or None."""
        value = self.read(lambda client: client.get(key))
        return None if value is None else _text(value)

    def get_many(self, keys: list[str]) -> list[str | None]:
        """Return the string at each key, or None for a key that doesn't exist."""
        if not keys:
            return []
        values = self.read(lambda client: client.mget(keys))
        return [None if value is None else _text(value) for value in values]

    def get_or_set(self, key: str, value: str) -> str:
        """Return the string at a key, which is set to `value` first if it doesn't exist."""
        found = self.get(key)  # when its memory is full, Redis refuses every SET, even with NX
        if found is None:
            self.repeat(lambda client: client.set(key, value, nx=True))
            found = self.get(key)
        return str(found)

    def score(self, key: str, member: str) -> float | None:
        """Return the score of a member of a sorted set, or None."""
        score: float | None = self.read(lambda client: client.zscore(key, member))
        return score

    def highest(self, key: str, below: Scored | None, count: int) -> list[Scored]:
        """Return at most `count` members of a sorted set, from the highest score down.

        Continues below the member `below`, whether or not that still exists. Members of equal score
        are ordered by name.
        """
        start, score = 0, "+inf" if below is None else repr(below[1])
        fetched = count if below is None else count + 1  # `below` itself comes first
        while True:
            members = self._page_down(key, score, start, fetched)
            rest = [one for one in members if below is None or _is_below(one, below)]
            if rest or len(members) < fetched:
                return rest[:count]
            start += fetched  # the whole page has the score of `below` and comes before it

    def time_ms(self) -> int:
        """Return Redis's time in milliseconds since the epoch."""
        seconds, microseconds = self.read(lambda client: client.time())
        return int(seconds) * 1000 + int(microseconds) // 1000

    def read(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Run a command that only reads, and return its result, with strings as bytes."""
        return self.repeat(command)

    def repeat(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Run a command that is safe to repeat, once more if its first connection broke."""
        try:
            return self._call(command)
        except AnswerLost as error:
            if error.timed_out:
                raise
            return self._call(command)

    def wait(self, command: Callable[[redis.Redis, float], Any], seconds: float) -> Any:
        """Run a read that blocks, and return its result. `command` gets the seconds to block."""
        block_seconds = min(
            max(seconds, 0.001), self._limits.max_block_seconds
        )  # 0 would block forever
        with translated():
            return command(self._blocking, block_seconds)

    def run(self, script: Script, args: Sequence[Argument]) -> Any:
        """Run a script that is safe to repeat, and return its result."""
        return self.repeat(lambda client: script.run(client, args))

    def write(self, script: Script, args: Sequence[Argument]) -> str:
        """Run a script that must not be repeated, and return its verdict.

        The script's last argument is a deadline by Redis's clock, after which it writes nothing;
        otherwise a stalled Redis could carry out a write that its client has given up on. The
        script returns its verdict and Redis's time. Raises AnswerLost if the outcome isn't known.
        """
        verdict = self._write_once(script, args)
        if verdict == "late":  # the clocks had drifted apart; the answer has corrected the offset
            verdict = self._write_once(script, args)
        if verdict == "late":
            raise StoreUnavailable("it did not answer in time")
        return verdict

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis answers, is new enough and never evicts."""
        check_info(self.read(lambda client: client.info("server", "memory")))

    def close(self) -> None:
        """Close every connection."""
        self._pool.disconnect()
        self._blocking_pool.disconnect()

    def _write_once(self, script: Script, args: Sequence[Argument]) -> str:
        if self._clock_offset_ms is None:
            self._set_clock(self.time_ms())
        assert self._clock_offset_ms is not None
        now_ms = self._clock() * 1000 + self._clock_offset_ms
        allowed_ms = self._limits.command_seconds * 1000 * self._limits.deadline_share
        deadline_ms = int(now_ms + allowed_ms)
        answer = self._call(lambda client: script.run(client, [*args, deadline_ms]))
        verdict, redis_now_ms = answer
        self._set_clock(redis_now_ms)
        return _text(verdict)

    def _set_clock(self, redis_now_ms: int) -> None:
        self._clock_offset_ms = redis_now_ms - self._clock() * 1000

    def _page_down(self, key: str, score: str, start: int, count: int) -> list[Scored]:
        page = self.read(
            lambda client: client.zrevrangebyscore(
                key, score, "-inf", start=start, num=count, withscores=True
            )
        )
        return [(_text(member), at) for member, at in page]

    def _call(self, command: Callable[[redis.Redis], Any]) -> Any:
        with translated():
            try:
                return command(self._client())
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                self._drop_client()  # the next connection asks the sentinels again
                raise

    def _client(self) -> redis.Redis:
        client: redis.Redis | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = redis.Redis(connection_pool=self._pool, single_connection_client=True)
            self._of_thread.client = client
        return client

    def _drop_client(self) -> None:
        client: redis.Redis | None = self._of_thread.__dict__.pop("client", None)
        if client:
            client.close()


def check_info(info: Mapping[str, Any]) -> None:
    """Raise StoreUnavailable if the answer to INFO shows a Redis that can't be used."""
    version = str(info.get("redis_version", ""))
    if _version(version) < MIN_VERSION:
        raise StoreUnavailable(f"it is version {version}, and 6.2 or newer is needed")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise StoreUnavailable(
            f"its maxmemory-policy is {policy}, which loses data, and must be noeviction"
        )


def _is_below(one: Scored, other: Scored) -> bool:
    return (one[1], one[0].encode()) < (other[1], other[0].encode())


def _text(value: Any) -> str:
    return str(value, "utf-8")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
