"""How the contract tests make stores, and funcs to put into them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from funcsvc.model import Func
from funcsvc.schemas import FuncSchema, func_document
from funcsvc.store.client import ClientLimits, RedisClient
from funcsvc.store.funcs import RedisFuncStore
from funcsvc.store.keys import RedisKeys

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
STORE_SECONDS = 2.0
"""How long a store waits for a Redis that fails."""

MAX_THREADS = 128  # each has its own connection


def new_func(
    name: str = "hello", cmd: str = "echo", created_ms: int | None = None
) -> tuple[Func, str]:
    """Return a func and its definition. `created_ms` counts from 1 January 2026."""
    func = FuncSchema().load_new({"Name": name, "Config": {"Image": "ubuntu", "Cmd": cmd}})
    if created_ms is not None:
        func = replace(func, created=FIRST_DAY + timedelta(milliseconds=created_ms))
    return func, json.dumps(func_document(func), ensure_ascii=False)


def make_client(url: str, seconds: float = 10, **limits: float) -> RedisClient:
    """Return a client for many threads, with other limits given by name."""
    given = {"max_threads": MAX_THREADS, "max_blocked": MAX_THREADS, **limits}
    return RedisClient(url, ClientLimits(timeout_seconds=seconds, **given))


def make_store(url: str, prefix: str, seconds: float = 10, **limits: float) -> RedisFuncStore:
    return RedisFuncStore(make_client(url, seconds, **limits), RedisKeys(prefix))
