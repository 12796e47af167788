"""Opens the store: one Redis client, and every store over it."""

from __future__ import annotations

from functools import partial

from funcsvc.config import Settings
from funcsvc.store.attempts import RedisFailedAttempts
from funcsvc.store.calls import RedisCallStore
from funcsvc.store.client import ClientLimits, RedisClient
from funcsvc.store.connections import make_pool
from funcsvc.store.events import RedisEventLog
from funcsvc.store.funcs import RedisFuncStore
from funcsvc.store.interfaces import Stores
from funcsvc.store.keys import RedisKeys
from funcsvc.store.queue import RedisCallQueue


def open_stores(settings: Settings, *, max_threads: int = 1, max_blocked: int = 1) -> Stores:
    """Return the stores over the Redis that the settings name.

    At most `max_threads` threads can use them, of which `max_blocked` can wait at a time. They
    connect on first use, so they can be opened before a fork.
    """
    keys = RedisKeys(settings.redis_prefix)
    limits = ClientLimits(
        timeout_seconds=settings.redis_timeout_seconds,
        max_threads=max_threads,
        max_blocked=max_blocked,
    )
    client = RedisClient(settings.redis_url, limits)
    attempts_pool = make_pool(settings.redis_url, limits.command_seconds, max_threads)

    def close() -> None:
        client.close()
        attempts_pool.disconnect()

    return Stores(
        funcs=RedisFuncStore(client, keys),
        calls=RedisCallStore(client, settings),
        events=RedisEventLog(client, keys),
        attempts=RedisFailedAttempts(attempts_pool, keys, settings.failed_attempts),
        open_queue=partial(RedisCallQueue, client, settings),
        close=close,
    )
