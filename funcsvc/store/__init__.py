"""The store, in Redis. Only this room imports redis, and it translates redis's errors."""

from funcsvc.store.interfaces import (
    CallQueue,
    CallStore,
    EventLog,
    FailedAttempts,
    FuncStore,
    Stores,
)
from funcsvc.store.stores import open_stores

__all__ = [
    "CallQueue",
    "CallStore",
    "EventLog",
    "FailedAttempts",
    "FuncStore",
    "Stores",
    "open_stores",
]
