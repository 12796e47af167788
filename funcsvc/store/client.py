"""One Redis client for a process: deadlines, no retries, a bounded pool, errors of ours.

redis-py retries by default, and a retried write can be made twice; here nothing is retried.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis

from funcsvc.model.errors import StoreUnavailable
from funcsvc.store.connections import make_pool
from funcsvc.store.scripts import Script
from funcsvc.store.translation import AnswerLost, translated

MIN_VERSION = (6, 2)


DEADLINE_SHARE = 0.8
"""How much of a command's time Redis may use before a script refuses to write.

The rest is for the answer to travel: what is written must not be answered with an error.
"""


Argument = str | int | bytes


Scored = tuple[str, float]
"""A member of a sorted set with its score."""


class RedisClient:
    """Commands to one Redis, each ended within half of `timeout_seconds`, or StoreUnavailable.

    The other half is for finding out what became of a write whose answer was lost.
    `max_connections` is how many threads may use it, for each has a connection of its own: to take
    one from a pool and look at it before each command costs as much as the command. It connects
    with a thread's first command, so that it may be made before a fork.
    """

    def __init__(self, url: str, *, timeout_seconds: float, max_connections: int) -> None:
        command_seconds = timeout_seconds / 2
        self._deadline_ms = command_seconds * 1000 * DEADLINE_SHARE
        self._clock_offset_ms: float | None = None
        self._pool = make_pool(url, timeout_seconds, max_connections)
        self._of_thread = threading.local()

    def get(self, key: str) -> str | None:
        """Return the string at a key, or None."""
        value = self._read(lambda client: client.get(key))
        return None if value is None else _text(value)

    def get_many(self, keys: list[str]) -> list[str | None]:
        """Return the string at each key, None where there is none."""
        if not keys:
            return []
        values = self._read(lambda client: client.mget(keys))
        return [None if value is None else _text(value) for value in values]

    def score(self, key: str, member: str) -> float | None:
        """Return the score of a member of a sorted set, or None."""
        score: float | None = self._read(partial(_score_of, key, member))
        return score

    def highest(self, key: str, below: Scored | None, count: int) -> list[Scored]:
        """Return members of a sorted set from the highest score on, at most `count`.

        `below` is where to go on from, whether it is still there or not; members of one score are
        ordered by name.
        """
        start, score = 0, "+inf" if below is None else repr(below[1])
        fetched = count if below is None else count + 1  # `below` itself comes first
        while True:
            options = {"start": start, "num": fetched, "withscores": True}
            found = self._read(partial(_from_score, key, score, options))
            members = [(_text(member), at) for member, at in found]
            rest = [
                (member, at)
                for member, at in members
                if below is None or (at, member.encode()) < (below[1], below[0].encode())
            ]
            if rest or len(members) < fetched:
                return rest[:count]
            start += fetched  # so many of one score that none is left of this page

    def read(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Return what a command that only reads returns, of whatever kind; its texts are bytes."""
        return self._read(command)

    def run(self, script: Script, args: Sequence[Argument]) -> Any:
        """Run a script that may be run again: it reads only, or asks who holds what it changes."""
        return self._read(lambda client: script.run(client, args))

    def write(self, script: Script, args: Sequence[Argument]) -> str:
        """Run a script that writes, and return its verdict.

        The script gets as its last argument a deadline by Redis's own clock, after which it writes
        nothing: a Redis that stands still carries out what its client has given up. It returns its
        verdict and its time. Raises AnswerLost when nothing is known of what became of it.
        """
        verdict = self._write_once(script, args)
        if verdict == "late":  # the clocks moved apart; nothing was written, and now they agree
            verdict = self._write_once(script, args)
        if verdict == "late":
            raise StoreUnavailable("it did not answer in time")
        return verdict

    def _write_once(self, script: Script, args: Sequence[Argument]) -> str:
        if self._clock_offset_ms is None:
            self._set_clock(self._time_ms())
        assert self._clock_offset_ms is not None
        now_ms = time.monotonic() * 1000 + self._clock_offset_ms
        deadline_ms = int(now_ms + self._deadline_ms)
        answer = self._call(lambda client: script.run(client, [*args, deadline_ms]))
        verdict, redis_now_ms = answer
        self._set_clock(redis_now_ms)
        return _text(verdict)

    def _time_ms(self) -> int:
        seconds, microseconds = self._read(lambda client: client.time())
        return int(seconds) * 1000 + int(microseconds) // 1000

    def _read(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Return what a command reads; where the connection was dead, once more on a new one."""
        try:
            return self._call(command)
        except AnswerLost as error:
            if error.timed_out:
                raise
            return self._call(command)

    def _call(self, command: Callable[[redis.Redis], Any]) -> Any:
        with translated():
            try:
                return command(self._client())
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                self._drop_client()  # the next connection asks the sentinels anew
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

    def _set_clock(self, redis_now_ms: int) -> None:
        self._clock_offset_ms = redis_now_ms - time.monotonic() * 1000

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis answers, is new enough and never evicts."""
        info: dict[str, Any] = self._read(lambda client: client.info("server", "memory"))
        version = str(info.get("redis_version", ""))
        if _version(version) < MIN_VERSION:
            raise StoreUnavailable(f"it is version {version}, and 6.2 or newer is needed")
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise StoreUnavailable(
                f"its maxmemory-policy is {policy}, which loses data, and must be noeviction"
            )

    def close(self) -> None:
        """Close every connection."""
        self._pool.disconnect()


def _score_of(key: str, member: str, client: redis.Redis) -> Any:
    return client.zscore(key, member)


def _from_score(key: str, score: str, options: dict[str, Any], client: redis.Redis) -> Any:
    return client.zrevrangebyscore(key, score, "-inf", **options)


def _text(value: Any) -> str:
    return str(value, "utf-8")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
