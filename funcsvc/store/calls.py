"""Calls in Redis as the web process sees them: accepted, waited for, answered, removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from funcsvc.config import Settings
from funcsvc.model import SHORT_BYTES, CallCounts, CallState, CallStatus, Failure, NewCall
from funcsvc.model.errors import CallNotFound, FuncNotFound, OutputRotated, TooManyPending
from funcsvc.store.blocking import BlockingClient, block_seconds
from funcsvc.store.client import Argument, RedisClient
from funcsvc.store.keys import RedisKeys
from funcsvc.store.scripts import get_script
from funcsvc.store.translation import AnswerLost

ENVIRONMENT_SEPARATOR = b"\0"
LIST_PAGE_CALLS = 500


class CallStore:
    """The calls of all funcs. Every method may raise StoreUnavailable."""

    def __init__(self, client: RedisClient, blocking: BlockingClient, settings: Settings) -> None:
        self._client = client
        self._blocking = blocking
        self._settings = settings
        self._keys = RedisKeys(settings.redis_prefix)

    def create_call(self, call: NewCall) -> None:
        """Accept a call: from here on it is never lost. Nothing is stored when this raises.

        Raises FuncNotFound when the func is gone, or has another UUID by now; TooManyPending.
        """
        try:
            verdict = self._create(call)
        except AnswerLost as error:
            if self._client.read(lambda client: client.exists(self._keys.call(call.id))):
                return
            if error.timed_out:
                raise
            verdict = self._create(call)
        if verdict == "missing":
            raise FuncNotFound(call.func_name)
        if verdict == "full":
            raise TooManyPending(self._settings.max_pending)

    def get_call(self, func_name: str, call_id: str) -> CallState:
        """Return a func's call; raises CallNotFound or OutputRotated."""
        fields = ("func", "created_ms", "status", "output", "failure", "message")
        key = self._keys.call(call_id)
        found = self._client.read(lambda client: client.hmget(key, *fields))
        if found[0] is None or str(found[0], "utf-8") != func_name:
            self._raise_if_rotated(func_name, call_id)
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
        """Return the name of the func that a call belongs to; raises CallNotFound."""
        key = self._keys.call(call_id)
        name = self._client.read(lambda client: client.hget(key, "func"))
        if name is None:
            raise CallNotFound(call_id)
        return str(name, "utf-8")

    def wait_for_call(self, call_id: str, seconds: float) -> None:
        """Return when a call has ended, or after `seconds` at the latest; or sooner, for nothing.

        The one element of the list goes round, so that it wakes everybody who waits.
        """
        key = self._keys.done(call_id)
        self._blocking.run(
            lambda client: client.blmove(key, key, block_seconds(seconds))  # type: ignore[arg-type]  # redis-py's gap
        )

    def delete_call(self, call_id: str) -> None:
        """Remove a call that has ended and was answered; one that isn't there is no error."""
        self._run("delete_call", [call_id])

    def get_counts(self, func_name: str) -> CallCounts:
        """Return how many calls a func has had, and has."""
        fields = ("total", "pending", "running", "finished", "failed")
        key = self._keys.counts(func_name)
        found = self._client.read(lambda client: client.hmget(key, *fields))
        return CallCounts(*(int(number or 0) for number in found))

    def list_calls(self, func_name: str) -> Iterator[CallState]:
        """Yield the calls of a func that are stored, the oldest first, without their outputs."""
        after = 0
        while page := self._list_page(func_name, after):
            yield from (_state(func_name, row) for row in page)
            after = page[-1][1]

    def _list_page(self, func_name: str, after: int) -> list[list[Any]]:
        arguments: list[Argument] = [func_name, after, LIST_PAGE_CALLS]
        page: list[list[Any]] = self._run("list_calls", arguments)
        return page

    def _raise_if_rotated(self, func_name: str, call_id: str) -> None:
        key = self._keys.rotated(func_name)
        if self._client.read(lambda client: client.zscore(key, call_id)) is not None:
            raise OutputRotated(call_id)

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
            self._settings.max_log_bytes,
        ]
        script = get_script("create_call", self._keys)
        return self._client.write(script, arguments)

    def _run(self, name: str, arguments: Sequence[Argument]) -> Any:
        return self._client.run(get_script(name, self._keys), arguments)


def _failure(stored: bytes | None) -> Failure | None:
    return Failure(str(stored, "utf-8")) if stored else None


def _state(func_name: str, row: list[Any]) -> CallState:
    call_id, _, created_ms, status, message, waited = row
    return CallState(
        id=str(call_id, "utf-8"),
        func_name=func_name,
        created_ms=created_ms,
        status=CallStatus(str(status, "utf-8")),
        message=str(message, "utf-8"),
        instance={b"1": "waiting", b"0": "new"}.get(waited, ""),
    )
