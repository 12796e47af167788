"""What is stored, in Redis. Only this room imports redis, and it translates redis's errors."""

from funcsvc.store.attempts import FailedAttempts
from funcsvc.store.blocking import BlockingClient
from funcsvc.store.call_queue import CallQueue
from funcsvc.store.calls import CallStore
from funcsvc.store.events import EventLog
from funcsvc.store.funcs import FuncStore
from funcsvc.store.redis_client import RedisClient, make_pool

__all__ = [
    "BlockingClient",
    "CallQueue",
    "CallStore",
    "EventLog",
    "FailedAttempts",
    "FuncStore",
    "RedisClient",
    "make_pool",
]
