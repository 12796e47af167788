"""Failed attempts to show an access key, counted in Redis by client address and known key."""

from __future__ import annotations

import hashlib
import time

import redis
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from funcsvc.model.errors import TooManyAttempts
from funcsvc.store.keys import RedisKeys
from funcsvc.store.translation import translated


class RedisFailedAttempts:
    """A FailedAttempts over Redis, with the same limit for every address and key."""

    def __init__(self, pool: redis.ConnectionPool, keys: RedisKeys, limit: RateLimitItem) -> None:
        storage = RedisStorage("redis://", connection_pool=pool, key_prefix=keys.attempts)
        self._limiter = FixedWindowRateLimiter(storage)
        self._limit = limit

    def add(self, address: str, access_key: str = "") -> None:
        of_address, counter = _counter(address), _counter(address, access_key)
        with translated():
            if access_key and not self._limiter.test(self._limit, of_address):
                raise self._too_many(of_address)
            if not self._limiter.hit(self._limit, counter):
                raise self._too_many(counter)

    def _too_many(self, counter: str) -> TooManyAttempts:
        reset_time = self._limiter.get_window_stats(self._limit, counter).reset_time
        return TooManyAttempts(max(1, round(reset_time - time.time())))


def _counter(address: str, access_key: str = "") -> str:
    """Return the name of one of 65,536 counters, so that no number of addresses fills Redis.

    Two addresses that share one are told 429 instead of 401 earlier; the right key passes anyway.
    """
    return hashlib.blake2b(f"{address} {access_key}".encode(), digest_size=2).hexdigest()
