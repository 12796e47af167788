"""A client for reads that wait: on connections of its own, so that no command is behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from funcsvc.config import Settings
from funcsvc.store.connections import make_pool
from funcsvc.store.translation import translated

MAX_BLOCK_SECONDS = 5
"""No read waits longer at a time; who wants to, waits again."""


def block_seconds(seconds: float) -> float:
    """Return how long to block at a time when `seconds` are left: for Redis, 0 is for ever."""
    return min(max(seconds, 0.001), MAX_BLOCK_SECONDS)


class BlockingClient:
    """Reads that block in Redis for MAX_BLOCK_SECONDS at most, one for each of `max_readers`."""

    def __init__(self, settings: Settings, max_readers: int) -> None:
        # half of the timeout is what make_pool gives to one command
        seconds = 2 * MAX_BLOCK_SECONDS + settings.redis_timeout_seconds
        self._pool = make_pool(settings.redis_url, seconds, max_readers)
        self._client = redis.Redis(connection_pool=self._pool)

    def run(self, command: Callable[[redis.Redis], Any]) -> Any:
        """Return what a reading command returns; raises StoreUnavailable."""
        with translated():
            return command(self._client)

    def close(self) -> None:
        """Close every connection."""
        self._pool.disconnect()
