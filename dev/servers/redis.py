"""Redis, on loopback."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import redis

from dev.servers.process import LOOPBACK, Server, free_port, running


class RedisServer(Server):
    """A Redis. `start` may be called again after `kill` or `end`: the port stays."""

    def __init__(self, place: Path, options: Mapping[str, str], port: int = 0) -> None:
        self.port = port or free_port()
        self.password = options.get("requirepass")
        settings = {"bind": LOOPBACK, "port": str(self.port), "dir": str(place), "save": ""}
        words = [(f"--{name}", text) for name, text in {**settings, **options}.items()]
        super().__init__(place, ["redis-server", *(word for pair in words for word in pair)])

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client to look, and to write, behind the service's back."""
        return redis.Redis(port=self.port, password=self.password, socket_timeout=5, protocol=2)

    def answers(self) -> bool:
        return redis_answers(self.url, self.password)


def redis_answers(url: str, password: str | None = None) -> bool:
    """Tell whether commands can be given to the Redis at this address."""
    given = {} if password is None else {"password": password}
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=2, socket_timeout=2, retry=None, **given
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def redis_server(**options: str) -> AbstractContextManager[RedisServer]:
    """Run a Redis; options are those of redis.conf, with `_` for `-`."""
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return running(lambda place: RedisServer(place, named))
