"""A Redis of a test's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import redis

from tests.servers.process import LOOPBACK, START_SECONDS, Server, folder, free_port


class RedisServer(Server):
    """A Redis. `start` may be called again after `kill` or `end`: the port stays."""

    def __init__(self, place: Path, options: Mapping[str, str]) -> None:
        self.port = free_port()
        self.password = options.get("requirepass", "")
        settings = {"bind": LOOPBACK, "port": str(self.port), "dir": str(place), "save": ""}
        words = [word for key, value in {**settings, **options}.items() for word in (key, value)]
        options_given = [f"--{word}" if n % 2 == 0 else word for n, word in enumerate(words)]
        super().__init__(place, ["redis-server", *options_given])

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client to look, and to write, behind the service's back."""
        return redis.Redis(
            port=self.port, password=self.password or None, socket_timeout=5, protocol=2
        )

    def start(
        self, is_ready: Callable[[], Any] | None = None, seconds: float = START_SECONDS
    ) -> None:
        super().start(is_ready or self._answers, seconds)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextlib.contextmanager
def redis_server(**options: str) -> Iterator[RedisServer]:
    """Run a Redis; options are those of redis.conf, with `_` for `-`."""
    with folder() as place:
        named = {name.replace("_", "-"): value for name, value in options.items()}
        server = RedisServer(place, named)
        try:
            server.start()
            yield server
        finally:
            server.end()
