"""What is stored, in Redis. Only this room imports redis, and it translates redis's errors."""

from funcsvc.store.attempts import FailedAttempts
from funcsvc.store.funcs import FuncStore
from funcsvc.store.redis_client import RedisClient, make_pool

__all__ = ["FailedAttempts", "FuncStore", "RedisClient", "make_pool"]
