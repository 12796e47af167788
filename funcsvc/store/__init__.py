"""What is stored, in Redis. Only this room imports redis, and it translates redis's errors."""

from funcsvc.store.attempts import FailedAttempts
from funcsvc.store.blocking import BlockingClient
from funcsvc.store.calls import CallStore
from funcsvc.store.client import RedisClient
from funcsvc.store.connections import make_pool
from funcsvc.store.events import EventLog
from funcsvc.store.funcs import FuncStore
from funcsvc.store.keys import RedisKeys
from funcsvc.store.queue import CallQueue
from funcsvc.store.translation import AnswerLost

__all__ = [
    "AnswerLost",
    "BlockingClient",
    "CallQueue",
    "CallStore",
    "EventLog",
    "FailedAttempts",
    "FuncStore",
    "RedisClient",
    "RedisKeys",
    "make_pool",
]
