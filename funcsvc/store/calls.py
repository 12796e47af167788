"""Calls in Redis as the web process sees them: accepted, waited for, read, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from funcsvc.config import Settings
from funcsvc.model import (
    SHORT_BYTES,
    CallCounts,
    CallState,
    CallStatus,
    Failure,
    InstanceKind,
    NewCall,
)
from funcsvc.model.errors import (
    CallNotFound,
    CallRemoved,
    FuncNotFound,
    OutputRotated,
    TooManyPending,
    TooManyPendingBytes,
)
from funcsvc.store.client import RedisClient
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import Argument, get_script
from funcsvc.store.settle import settle

ENVIRONMENT_SEPARATOR = b"\0"
LIST_PAGE_CALLS = 200

_KIND_BY_WAITED = {"1": InstanceKind.WAITING, "0": InstanceKind.NEW}


class RedisCallStore:
    """A CallStore over Redis."""

    def __init__(self, client: RedisClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._keys = RedisKeys(settings.redis_prefix)

    def create_call(self, call: NewCall) -> None:
        verdict = settle(
            lambda: self._create(call),
            lambda: "created" if self._exists(call.id) else None,
        )
        if verdict == "missing":
            raise FuncNotFound(call.func_name)
        if verdict == "full":
            raise TooManyPending(self._settings.max_pending)
        if verdict == "func bytes":
            raise TooManyPendingBytes("this function", self._settings.max_pending_bytes)
        if verdict == "all bytes":
            raise TooManyPendingBytes("all functions", self._settings.max_all_pending_bytes)

    def get_call(self, func_name: str, call_id: str) -> CallState:
        fields = ("func", "created_ms", "status", "output", "failure", "message")
        key = self._keys.call(call_id)
        found = self._client.read(lambda client: client.hmget(key, *fields))
        if found[0] is None or str(found[0], "utf-8") != func_name:
            self._raise_if_gone(func_name, call_id)
            raise CallNotFound(call_id)
        return CallState(
            id=call_id,
            func_name=func_name,
            created_ms=int(found[1]),
            status=CallStatus(str(found[2], "utf-8")),
            output=found[3] or b"",
            failure=_failure(found[4]),
            message=str(found[5] or b"", "utf-8"),
        )

    def get_func_name(self, call_id: str) -> str:
        key = self._keys.call(call_id)
        name = self._client.read(lambda client: client.hget(key, "func"))
        if name is None:
            raise CallNotFound(call_id)
        return str(name, "utf-8")

    def wait_for_end(self, call_id: str, seconds: float) -> None:
        """Wait for the list's one element, which is put back so that it wakes every waiter."""
        key = self._keys.done(call_id)
        self._client.wait(
            lambda client, block: client.blmove(key, key, block),  # type: ignore[arg-type]  # redis-py's gap
            seconds,
        )

    def delete_call(self, call_id: str) -> None:
        self._run("delete_call", call_id)

    def get_counts(self, func_name: str) -> CallCounts:
        fields = ("total", "pending", "running", "finished", "failed")
        key = self._keys.counts(func_name)
        found = self._client.read(lambda client: client.hmget(key, *fields))
        return CallCounts(*(int(number or 0) for number in found))

    def list_calls(self, func_name: str) -> Iterator[CallState]:
        after = 0
        while page := self._list_page(func_name, after):
            yield from (_state(func_name, row) for row in page)
            after = page[-1][1]

    def _list_page(self, func_name: str, after: int) -> list[list[Any]]:
        text = self._run("list_calls", func_name, after, LIST_PAGE_CALLS)
        return [*json.loads(text)]  # Lua writes an empty list as {}

    def _exists(self, call_id: str) -> bool:
        key = self._keys.call(call_id)
        return bool(self._client.read(lambda client: client.exists(key)))

    def _raise_if_gone(self, func_name: str, call_id: str) -> None:
        if self._client.score(self._keys.rotated(func_name), call_id) is not None:
            raise OutputRotated(call_id)
        key = self._keys.done(call_id)
        if self._client.read(lambda client: client.lindex(key, 0)) == b"removed":
            raise CallRemoved(call_id)

    def _create(self, call: NewCall) -> str:
        arguments: list[Argument] = [
            call.func_name,
            call.func_uuid,
            call.id,
            call.payload,
            ENVIRONMENT_SEPARATOR.join(call.environment),
            call.payload[:SHORT_BYTES],
            call.max_running,
            self._settings.max_pending,
            self._settings.max_pending_bytes,
            self._settings.max_all_pending_bytes,
            self._settings.max_log_bytes,
        ]
        return self._client.write(get_script("create_call", self._keys), arguments)

    def _run(self, name: str, *arguments: Argument) -> Any:
        return self._client.run(get_script(name, self._keys), arguments)


def _failure(stored: bytes | None) -> Failure | None:
    return Failure(str(stored, "utf-8")) if stored else None


def _state(func_name: str, row: list[Any]) -> CallState:
    call_id, _, created_ms, status, message, waited = row
    return CallState(
        id=call_id,
        func_name=func_name,
        created_ms=int(created_ms),
        status=CallStatus(status),
        message=message,
        instance_kind=_KIND_BY_WAITED.get(waited),
    )
