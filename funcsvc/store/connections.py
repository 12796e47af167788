"""Connections to Redis: bounded pools, to one server or to the master that sentinels name."""

from __future__ import annotations

from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, parse_url
from redis.retry import Retry

from funcsvc.config import is_sentinel_url, parse_sentinel_url
from funcsvc.store.translation import EndedAtOnce, NoMaster, is_ended


def make_pool(url: str, command_seconds: float, max_connections: int) -> redis.ConnectionPool:
    """Return a bounded pool of connections, with this time limit per command and no retries."""
    options: dict[str, Any] = {
        "socket_timeout": command_seconds,
        "socket_connect_timeout": command_seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "redis_connect_func": _begin,
    }
    own = {"max_connections": max_connections, "socket_read_size": 256 * 1024}
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
    if is_sentinel_url(url):
        return _master_of(url, options, own)
    return redis.BlockingConnectionPool.from_url(url, timeout=command_seconds, **options, **own)


def _begin(connection: Connection) -> None:
    """Send the first commands of a connection. Raises EndedAtOnce."""
    has_tls = isinstance(connection, SSLConnection)
    try:
        connection.on_connect()  # type: ignore[no-untyped-call]  # redis-py's gap
    except redis.exceptions.ConnectionError as error:
        if isinstance(connection, Connection) and not has_tls and is_ended(error):
            raise EndedAtOnce from error
        raise


class Sentinels(redis.Sentinel):
    """redis-py's Sentinel, which fails with what a sentinel failed with, or with what they say."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the address of a service's master. Raises NoMaster."""
        reason, failure = "", None
        for number, sentinel in enumerate(self.sentinels):
            try:
                state = cast(dict[str, Any], sentinel.sentinel_masters()).get(service_name)
            except redis.exceptions.RedisError as error:
                failure = error
                continue
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                self.sentinels[0], self.sentinels[number] = sentinel, self.sentinels[0]
                return state["ip"], state["port"]
            if state:
                reason = "its sentinels see no master that is up"
            reason = reason or "its sentinels don't know the service that the URL names"
        raise NoMaster(reason) from failure


def _master_of(url: str, options: dict[str, Any], own: dict[str, Any]) -> redis.ConnectionPool:
    """Return a pool that asks the sentinels for the current master with each new connection."""
    parsed = parse_sentinel_url(url)
    sentinels = Sentinels(  # type: ignore[no-untyped-call]  # redis-py's gap
        parsed.hosts,
        sentinel_kwargs={**_of_url(parsed.sentinel_url), **options},
        **_of_url(parsed.server_url),
        **options,
        **own,
    )
    master = sentinels.master_for(parsed.service)  # type: ignore[no-untyped-call]  # the same
    return cast(redis.ConnectionPool, master.connection_pool)


def _of_url(url: str) -> dict[str, Any]:
    """Return the options of a URL without a host, as redis-py's Redis takes them."""
    options = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py's gap
    has_tls = options.pop("connection_class", None) is SSLConnection
    return {**options, **({"ssl": True} if has_tls else {})}
