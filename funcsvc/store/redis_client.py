"""One Redis client for a process: deadlines, no retries, a bounded pool, errors of ours.

redis-py retries by default, and a retried write can be made twice; here nothing is retried.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from funcsvc.config import is_sentinel_url
from funcsvc.errors import StoreUnavailable

MIN_VERSION = (6, 2)

DEADLINE_SHARE = 0.8
"""How much of a command's time Redis may use before a script refuses to write.

The rest is for the answer to travel: what is written must not be answered with an error.
"""


Scored = tuple[str, float]
"""A member of a sorted set with its score."""


class RedisClient:
    """Commands to one Redis, each ended within half of `timeout_seconds`, or StoreUnavailable.

    The other half is for finding out what became of a write whose answer was lost.
    `max_connections` is how many threads may use it at once; it is safe to share between threads,
    and connects with the first command, so that it may be made before a fork.
    """

    def __init__(self, url: str, *, timeout_seconds: float, max_connections: int) -> None:
        command_seconds = timeout_seconds / 2
        self._deadline_ms = command_seconds * 1000 * DEADLINE_SHARE
        self._clock_offset_ms: float | None = None
        options: dict[str, Any] = {
            "max_connections": max_connections,
            "socket_timeout": command_seconds,
            "socket_connect_timeout": command_seconds,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        if is_sentinel_url(url):
            self._redis = _master_of(url, options)
        else:
            pool = redis.BlockingConnectionPool.from_url(url, timeout=command_seconds, **options)
            self._redis = redis.Redis(connection_pool=pool)

    @property
    def connection_pool(self) -> redis.ConnectionPool:
        """The pool, for a library that works on Redis itself."""
        return self._redis.connection_pool

    def get(self, key: str) -> str | None:
        """Return the string at a key, or None."""
        with translated():
            value = self._redis.get(key)
        return None if value is None else _text(value)

    def get_many(self, keys: list[str]) -> list[str | None]:
        """Return the string at each key, None where there is none."""
        if not keys:
            return []
        with translated():
            values = cast(list[Any], self._redis.mget(keys))
        return [None if value is None else _text(value) for value in values]

    def score(self, key: str, member: str) -> float | None:
        """Return the score of a member of a sorted set, or None."""
        with translated():
            return self._redis.zscore(key, member)

    def highest(self, key: str, below: Scored | None, count: int) -> list[Scored]:
        """Return members of a sorted set from the highest score on, at most `count`.

        `below` is where to go on from, whether it is still there or not; members of one score are
        ordered by name.
        """
        start, score = 0, "+inf" if below is None else repr(below[1])
        while True:
            with translated():
                found = cast(
                    list[tuple[bytes, float]],
                    self._redis.zrevrangebyscore(
                        key, score, "-inf", start=start, num=count, withscores=True
                    ),
                )
            members = [(_text(member), score_of_it) for member, score_of_it in found]
            rest = [
                (member, at)
                for member, at in members
                if below is None or (at, member.encode()) < (below[1], below[0].encode())
            ]
            if rest or len(members) < count:
                return rest
            start += count  # so many of one score that none is left of this page

    def write(self, script: Script, keys: list[str], args: list[str | int]) -> str:
        """Run a script that writes, and return its verdict.

        The script gets as its last argument a deadline by Redis's own clock, after which it writes
        nothing: a Redis that stands still carries out what its client has given up. It returns its
        verdict and its time. Raises AnswerLost when nothing is known of what became of it.
        """
        verdict = self._write_once(script, keys, args)
        if verdict == "late":  # the clocks moved apart; nothing was written, and now they agree
            verdict = self._write_once(script, keys, args)
        if verdict == "late":
            raise StoreUnavailable("it did not answer in time")
        return verdict

    def _write_once(self, script: Script, keys: list[str], args: list[str | int]) -> str:
        if self._clock_offset_ms is None:
            self._set_clock(self._time_ms())
        assert self._clock_offset_ms is not None
        now_ms = time.monotonic() * 1000 + self._clock_offset_ms
        deadline_ms = int(now_ms + self._deadline_ms)
        with translated():
            verdict, redis_now_ms = self._run(script, keys, [*args, deadline_ms])
        self._set_clock(redis_now_ms)
        return _text(verdict)

    def _run(self, script: Script, keys: list[str], args: list[str | int]) -> Any:
        try:
            return self._redis.evalsha(script.sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self._redis.eval(script.text, len(keys), *keys, *args)

    def _time_ms(self) -> int:
        with translated():
            seconds, microseconds = self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def _set_clock(self, redis_now_ms: int) -> None:
        self._clock_offset_ms = redis_now_ms - time.monotonic() * 1000

    def check(self) -> None:
        """Raise StoreUnavailable unless Redis answers, is new enough and never evicts."""
        with translated():
            info: dict[str, Any] = self._redis.info("server", "memory")
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
        self._redis.close()
        self._redis.connection_pool.disconnect()


def _master_of(url: str, options: dict[str, Any]) -> redis.Redis:
    """Return a client of whatever Redis is the master, asked of the sentinels anew as it fails."""
    parts = urlsplit(url)
    service, _, database = parts.path.strip("/").partition("/")
    hosts = [host.rpartition(":") for host in parts.netloc.rpartition("@")[2].split(",")]
    timeouts = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout")}
    sentinel = redis.Sentinel(  # type: ignore[no-untyped-call]  # redis-py's gap
        [(host, int(port)) for host, _, port in hosts],
        sentinel_kwargs={**timeouts, "retry": options["retry"]},
        username=unquote(parts.username or "") or None,
        password=unquote(parts.password or "") or None,
        db=int(database or 0),
        **options,
    )
    master = sentinel.master_for(service)  # type: ignore[no-untyped-call]  # redis-py's gap
    return cast(redis.Redis, master)


class Script:
    """A Lua script, known to Redis by the SHA-1 of its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = redis.Redis().register_script(text).sha


class AnswerLost(StoreUnavailable):
    """Raised when no answer came: whether the request was carried out is not known."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis's errors into StoreUnavailable with a sentence, without addresses and secrets."""
    try:
        yield
    except redis.exceptions.RedisError as error:
        reason = _reason(error)
        if reason is None:
            timed_out = isinstance(error, redis.exceptions.TimeoutError)
            lost = "it did not answer in time" if timed_out else "it can't be reached"
            raise AnswerLost(lost) from error
        raise StoreUnavailable(reason) from error


_REFUSALS: dict[type[redis.exceptions.RedisError], str] = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.BusyLoadingError: "LOADING",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.AuthenticationError: "NOAUTH",
}
"""Error replies that redis-py has a class for, and whose code it takes away."""

_REASONS = {
    "OOM": "its memory is full",
    "READONLY": "it is a read-only replica",
    "MISCONF": "it can't write to its disk",
    "LOADING": "it is still loading its data",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "it has too few replicas to accept a write",
    "MASTERDOWN": "it has lost its master",
    "NOPERM": "its user may not do this",
    "NOAUTH": "it did not accept the user and password, or their absence",
}


def _reason(error: redis.exceptions.RedisError) -> str | None:
    """Say what an error reply means, or None where there was no reply at all.

    Redis 6.2 puts an error of a script's command behind words of its own.
    """
    for refusal, code in _REFUSALS.items():
        if isinstance(error, refusal):
            return _REASONS[code]
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return None
    for code, reason in _REASONS.items():
        if re.search(rf"(^|-|: ){code}\b", str(error)):
            return reason
    return "it refused the request"


def _text(value: Any) -> str:
    return str(value, "utf-8")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
