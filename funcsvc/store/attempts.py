"""Failed attempts to show an access key, counted in Redis by client address."""

from __future__ import annotations

import time

import redis
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from funcsvc.model.errors import TooManyAttempts
from funcsvc.store.keys import RedisKeys
from funcsvc.store.translation import translated


class RedisFailedAttempts:
    """A FailedAttempts over Redis, with the same limit for every address."""

    def __init__(self, pool: redis.ConnectionPool, keys: RedisKeys, limit: RateLimitItem) -> None:
        storage = RedisStorage("redis://", connection_pool=pool, key_prefix=keys.attempts)
        self._limiter = FixedWindowRateLimiter(storage)
        self._limit = limit

    def check(self, address: str) -> None:
        with translated():
            if not self._limiter.test(self._limit, address):
                reset_time = self._limiter.get_window_stats(self._limit, address).reset_time
                raise TooManyAttempts(max(1, round(reset_time - time.time())))

    def add(self, address: str) -> None:
        with translated():
            self._limiter.hit(self._limit, address)
