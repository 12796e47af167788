"""Connections to Redis: bounded pools, to one server or to the master that sentinels name."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from funcsvc.config import is_sentinel_url


def make_pool(url: str, command_seconds: float, max_connections: int) -> redis.ConnectionPool:
    """Return a bounded pool of connections, with this time limit per command and no retries."""
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
    """Return a pool that asks the sentinels for the current master with each new connection."""
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
