"""How the contract's tests make stores, and funcs to put into them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from funcsvc.model import Func
from funcsvc.schemas import FuncSchema, func_document
from funcsvc.store import FuncStore, RedisClient, RedisKeys

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 1.0
MAX_THREADS = 128  # each has a connection of its own


def new_func(
    name: str = "hello", cmd: str = "echo", created_ms: int | None = None
) -> tuple[Func, str]:
    """Return a func with its definition; `created_ms` counts from the first day of 2026."""
    func = FuncSchema().load_new({"Name": name, "Config": {"Image": "ubuntu", "Cmd": cmd}})
    if created_ms is not None:
        func = replace(func, created=FIRST_DAY + timedelta(milliseconds=created_ms))
    return func, json.dumps(func_document(func), ensure_ascii=False)


def make_store(url: str, prefix: str, seconds: float = 10) -> FuncStore:
    client = RedisClient(url, timeout_seconds=seconds, max_connections=128)
    return FuncStore(client, RedisKeys(prefix))
