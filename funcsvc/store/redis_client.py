"""One Redis client for a process: deadlines, no retries, a bounded pool, errors of ours.

redis-py retries by default, and a retried write can be made twice; here nothing is retried.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
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

    def run(self, script: Script, keys: list[str], args: Sequence[Argument]) -> Any:
        """Run a script that may be run again: it reads only, or asks who holds what it changes."""
        return self._read(lambda client: script.run(client, keys, args))

    def write(self, script: Script, keys: list[str], args: Sequence[Argument]) -> str:
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

    def _write_once(self, script: Script, keys: list[str], args: Sequence[Argument]) -> str:
        if self._clock_offset_ms is None:
            self._set_clock(self._time_ms())
        assert self._clock_offset_ms is not None
        now_ms = time.monotonic() * 1000 + self._clock_offset_ms
        deadline_ms = int(now_ms + self._deadline_ms)
        answer = self._call(lambda client: script.run(client, keys, [*args, deadline_ms]))
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


def make_pool(url: str, timeout_seconds: float, max_connections: int) -> redis.ConnectionPool:
    """Return a bounded pool of connections that wait for half of the time, and never retry."""
    command_seconds = timeout_seconds / 2
    options: dict[str, Any] = {
        "max_connections": max_connections,
        "socket_timeout": command_seconds,
        "socket_connect_timeout": command_seconds,
        "socket_keepalive": True,
        "socket_read_size": 256 * 1024,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if is_sentinel_url(url):
        return _master_of(url, options)
    return redis.BlockingConnectionPool.from_url(url, timeout=command_seconds, **options)


def _master_of(url: str, options: dict[str, Any]) -> redis.ConnectionPool:
    """Return connections to whatever Redis is the master, asked of the sentinels as they fail."""
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
    return cast(redis.ConnectionPool, master.connection_pool)


def _score_of(key: str, member: str, client: redis.Redis) -> Any:
    return client.zscore(key, member)


def _from_score(key: str, score: str, options: dict[str, Any], client: redis.Redis) -> Any:
    return client.zrevrangebyscore(key, score, "-inf", **options)


def read_text(name: str) -> str:
    """Return the text of a script of this room."""
    return files(__package__).joinpath(f"{name}.lua").read_text()


def read_script(name: str) -> Script:
    """Return a script of this room that gets its keys with each request."""
    return Script(read_text(name))


class Script:
    """A Lua script, known to Redis by the SHA-1 of its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = redis.Redis().register_script(text).sha

    def run(self, client: redis.Redis, keys: list[str], args: Sequence[Argument]) -> Any:
        """Run the script and return its answer, sent whole only where Redis doesn't know it.

        Past the client's own way to its one connection, which takes longer than all the rest.
        """
        connection: Any = client.connection
        try:
            connection.send_command("EVALSHA", self.sha, len(keys), *keys, *args)
            return connection.read_response()
        except redis.exceptions.NoScriptError:
            return client.eval(self.text, len(keys), *keys, *args)


class AnswerLost(StoreUnavailable):
    """Raised when no answer came: whether the request was carried out is not known.

    `timed_out` tells a server that was silent from a connection that broke.
    """

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("it did not answer in time" if timed_out else "it can't be reached")
        self.timed_out = timed_out


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis's errors into StoreUnavailable with a sentence, without addresses and secrets."""
    try:
        yield
    except redis.exceptions.RedisError as error:
        reason = _reason(error)
        if reason is None:
            timed_out = isinstance(error, redis.exceptions.TimeoutError)
            raise AnswerLost(timed_out=timed_out) from error
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
