"""Redis, on loopback or on a unix socket."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import redis

from dev.servers.process import LOOPBACK, Server, free_port, running
from funcsvc.store.connections import make_pool

ANSWER_SECONDS = 2


class RedisServer(Server):
    """A Redis. `start` may be called again after `kill` or `end`: the address stays.

    It listens on a port of loopback, or on a unix socket alone, which only this user may use.
    """

    def __init__(
        self,
        place: Path,
        options: Mapping[str, str],
        port: int = 0,
        unix_socket: Path | None = None,
    ) -> None:
        self.port = 0 if unix_socket else port or free_port()
        self.unix_socket = unix_socket
        self.password = options.get("requirepass")
        settings = {"bind": LOOPBACK, "port": str(self.port), "dir": str(place), "save": ""}
        if unix_socket:
            settings |= {"unixsocket": str(unix_socket), "unixsocketperm": "700"}
        words = [(f"--{name}", text) for name, text in {**settings, **options}.items()]
        super().__init__(place, ["redis-server", *(word for pair in words for word in pair)])

    @property
    def url(self) -> str:
        if self.unix_socket:
            return f"unix://{self.unix_socket}?db=0"
        return f"redis://{LOOPBACK}:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client to look, and to write, behind the service's back."""
        given = {} if self.password is None else {"password": self.password}
        return redis.Redis.from_url(self.url, socket_timeout=5, protocol=2, **given)

    def answers(self) -> bool:
        with self.client() as client:
            return _answers(client)


def redis_answers(url: str) -> bool:
    """Tell whether the service can give commands to the Redis at this address."""
    pool = make_pool(url, ANSWER_SECONDS, 1)
    try:
        return _answers(redis.Redis(connection_pool=pool))
    finally:
        pool.disconnect()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def redis_server(**options: str) -> AbstractContextManager[RedisServer]:
    """Run a Redis; options are those of redis.conf, with `_` for `-`."""
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return running(lambda place: RedisServer(place, named))
