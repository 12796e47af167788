"""One Redis client for a process: deadlines, no retries, a bounded pool, errors of ours.

redis-py retries by default, and a retried write can be made twice; here nothing is retried.
"""

from __future__ import annotations

import re
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


class RedisClient:
    """Commands to one Redis. Every one ends within `timeout_seconds`, or raises StoreUnavailable.

    `max_connections` is how many threads may use it at once; it is safe to share between threads,
    and connects with the first command, so that it may be made before a fork.
    """

    def __init__(self, url: str, *, timeout_seconds: float, max_connections: int) -> None:
        self.timeout_seconds = timeout_seconds
        options: dict[str, Any] = {
            "max_connections": max_connections,
            "socket_timeout": timeout_seconds,
            "socket_connect_timeout": timeout_seconds,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        if is_sentinel_url(url):
            self._redis = _master_of(url, options)
        else:
            pool = redis.BlockingConnectionPool.from_url(url, timeout=timeout_seconds, **options)
            self._redis = redis.Redis(connection_pool=pool)

    def get(self, key: str) -> bytes | None:
        """Return the string at a key, or None."""
        with translated():
            return cast(bytes | None, self._redis.get(key))

    def run(self, script: Script, keys: list[str], args: list[str | int]) -> Any:
        """Run a script and return its answer. It is sent again only when Redis doesn't know it."""
        with translated():
            try:
                return self._redis.evalsha(script.sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return self._redis.eval(script.text, len(keys), *keys, *args)

    def time_ms(self) -> int:
        """Return the server's clock, in milliseconds since the epoch."""
        with translated():
            seconds, microseconds = self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

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


class ConnectionLost(StoreUnavailable):
    """Raised when a connection broke: whether the request was carried out is not known."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis's errors into StoreUnavailable with a sentence, without addresses and secrets."""
    try:
        yield
    except redis.exceptions.TimeoutError as error:
        raise StoreUnavailable("it did not answer in time") from error
    except redis.exceptions.AuthenticationError as error:
        raise StoreUnavailable("it refused the user or password") from error
    except redis.exceptions.ConnectionError as error:
        raise ConnectionLost("it can't be reached") from error
    except redis.exceptions.RedisError as error:
        raise StoreUnavailable(_reason(str(error))) from error


_REASONS = {
    "OOM": "its memory is full",
    "READONLY": "it is a read-only replica",
    "MISCONF": "it can't write to its disk",
    "LOADING": "it is still loading its data",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "it has too few replicas to accept a write",
    "MASTERDOWN": "it has lost its master",
    "NOPERM": "its user may not run this command",
    "NOAUTH": "it asks for a password",
}


def _reason(text: str) -> str:
    """Say what an error reply means. Redis 6.2 puts a script's error behind words of its own."""
    for code, reason in _REASONS.items():
        if re.search(rf"(^|-|: ){code}\b", text):
            return reason
    return "it refused the request"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
