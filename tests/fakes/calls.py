"""A fake store of calls. A test plays the worker with `run` and `end`."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Condition
from typing import Any

from funcsvc.model import (
    MEGABYTE,
    SHORT_BYTES,
    CallCounts,
    CallState,
    CallStatus,
    NewCall,
    Outcome,
)
from funcsvc.model.errors import (
    CallNotFound,
    CallRemoved,
    FuncNotFound,
    OutputRotated,
    TooManyPending,
    TooManyPendingBytes,
)
from tests.fakes.events import FakeEventLog
from tests.fakes.funcs import FakeFuncStore

CALL_OVERHEAD_BYTES = 1024


@dataclass
class _Call:
    """A call as the fake stores it."""

    request: NewCall
    state: CallState

    @property
    def stored_bytes(self) -> int:
        return len(self.state.output) + CALL_OVERHEAD_BYTES


class FakeCallStore:
    """A CallStore over the definitions of a FakeFuncStore, which refuses to delete a busy func.

    `accepted` has every accepted call, in order.
    """

    def __init__(
        self,
        funcs: FakeFuncStore,
        events: FakeEventLog | None = None,
        *,
        max_pending: int = 200_000,
        max_pending_bytes: int = 256 * MEGABYTE,
        max_all_pending_bytes: int = 1024 * MEGABYTE,
        max_outputs_bytes: int = 50 * MEGABYTE,
    ) -> None:
        self.events = FakeEventLog() if events is None else events
        self.accepted: list[NewCall] = []
        self._funcs = funcs
        self._max_pending = max_pending
        self._max_pending_bytes = max_pending_bytes
        self._max_all_pending_bytes = max_all_pending_bytes
        self._max_outputs_bytes = max_outputs_bytes
        self._calls: dict[str, _Call] = {}
        self._ended: dict[str, list[str]] = defaultdict(list)
        self._rotated: dict[str, set[str]] = defaultdict(set)
        self._removed: set[str] = set()
        self._counts: dict[str, dict[str, int]] = defaultdict(_no_calls)
        self._changed = Condition()
        self._error: Exception | None = None
        funcs.calls = self

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on, or stop with None. Playing the worker never raises it."""
        self._error = error

    def create_call(self, call: NewCall) -> None:
        """Accept a call. Raises FuncNotFound, also for a wrong UUID, and TooManyPending."""
        self._check()
        with self._funcs.lock, self._changed:
            if call.id in self._calls:
                return
            definition = self._funcs.definitions.get(call.func_name)
            if definition is None or json.loads(definition)["UUID"] != call.func_uuid:
                raise FuncNotFound(call.func_name)
            if self._counts[call.func_name]["pending"] >= self._max_pending:
                raise TooManyPending(self._max_pending)
            self._check_bytes(call)
            self._accept(call)

    def get_call(self, func_name: str, call_id: str) -> CallState:
        """Return a call of a func. Raises CallNotFound and OutputRotated."""
        self._check()
        with self._changed:
            call = self._calls.get(call_id)
            if call and call.state.func_name == func_name:
                return call.state
            if call_id in self._rotated.get(func_name, ()):
                raise OutputRotated(call_id)
            if call_id in self._removed:
                raise CallRemoved(call_id)
            raise CallNotFound(call_id)

    def get_func_name(self, call_id: str) -> str:
        """Return the name of the func that a call belongs to. Raises CallNotFound."""
        self._check()
        with self._changed:
            return self._get(call_id).state.func_name

    def wait_for_end(self, call_id: str, seconds: float) -> None:
        """Return when a call has ended or is gone, or after at most `seconds`."""
        self._check()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alive(call_id), seconds)

    def delete_call(self, call_id: str) -> None:
        """Delete a call that has ended. Does nothing to any other call."""
        self._check()
        with self._changed:
            if call_id in self._calls and not self._is_alive(call_id):
                call = self._calls.pop(call_id)
                self._ended[call.state.func_name].remove(call_id)

    def get_counts(self, func_name: str) -> CallCounts:
        """Return how many calls a func has had, and has."""
        self._check()
        with self._changed:
            counts = self._counts.get(func_name, _no_calls())
            return CallCounts(total=sum(counts.values()), **counts)

    def list_calls(self, func_name: str) -> Iterator[CallState]:
        """Yield the stored calls of a func, oldest first, without their outputs."""
        self._check()
        with self._changed:
            states = [call.state for call in self._calls.values()]
        for state in states:
            if state.func_name == func_name:
                yield replace(state, output=b"", failure=None)

    def run(self, call_id: str) -> None:
        """Let a pending call run, as when a worker takes it."""
        with self._changed:
            self._get(call_id)
            self._move(call_id, CallStatus.PENDING, CallStatus.RUNNING)
            self._log(call_id, "RUNNING")

    def release(self, call_id: str) -> None:
        """Put a running call back in its place, as when a worker can't begin it."""
        with self._changed:
            self._move(call_id, CallStatus.RUNNING, CallStatus.PENDING)
            self._log(call_id, "PENDING")

    def end(self, call_id: str, outcome: Outcome) -> None:
        """End a call as a worker does. A pending one runs first."""
        if self._get(call_id).state.status is CallStatus.PENDING:
            self.run(call_id)
        with self._changed:
            self._move(call_id, CallStatus.RUNNING, outcome.status)
            call = self._get(call_id)
            call.state = replace(
                call.state,
                output=outcome.output,
                failure=outcome.failure,
                message=outcome.message,
            )
            self._log(
                call_id,
                outcome.status.upper(),
                short_stdout=outcome.short_stdout,
                short_stderr=outcome.short_stderr,
                message=outcome.message,
            )
            self._ended[call.state.func_name].append(call_id)
            self._rotate(call.state.func_name)
            self._changed.notify_all()

    def remove_func(self, func_name: str, *, force: bool) -> bool:
        """Forget the calls and events of a func. Return False if one is pending or running."""
        with self._changed:
            calls = [
                call_id
                for call_id, call in self._calls.items()
                if call.state.func_name == func_name
            ]
            alive = {call_id for call_id in calls if self._is_alive(call_id)}
            if alive and not force:
                return False
            self._removed |= alive
            for call_id in calls:
                del self._calls[call_id]
            self._changed.notify_all()
            for each in (self._ended, self._rotated, self._counts):
                each.pop(func_name, None)
            self.events.remove(func_name)
            return True

    def _check_bytes(self, call: NewCall) -> None:
        unended = [one.request for key, one in self._calls.items() if self._is_alive(key)] + [call]
        mine = [one for one in unended if one.func_name == call.func_name]
        for whose, calls, most in (
            ("this function", mine, self._max_pending_bytes),
            ("all functions", unended, self._max_all_pending_bytes),
        ):
            if sum(map(_payload_bytes, calls)) > most:
                raise TooManyPendingBytes(whose, most)

    def _accept(self, call: NewCall) -> None:
        state = CallState(call.id, call.func_name, _now_ms(), CallStatus.PENDING)
        self._calls[call.id] = _Call(call, state)
        self._counts[call.func_name]["pending"] += 1
        self.accepted.append(call)
        self._log(call.id, "CALL", short_stdin=call.payload[:SHORT_BYTES])
        self._log(call.id, "PENDING")

    def _move(self, call_id: str, before: CallStatus, after: CallStatus) -> None:
        call = self._get(call_id)
        assert call.state.status is before, f"the call is {call.state.status}"
        counts = self._counts[call.state.func_name]
        counts[before.lower()] -= 1
        counts[after.lower()] += 1
        call.state = replace(call.state, status=after)

    def _rotate(self, func_name: str) -> None:
        ended = self._ended[func_name]
        while sum(self._calls[one].stored_bytes for one in ended) > self._max_outputs_bytes:
            oldest = ended.pop(0)
            del self._calls[oldest]
            self._rotated[func_name].add(oldest)

    def _log(self, call_id: str, name: str, **texts: Any) -> None:
        self.events.add(self._get(call_id).state.func_name, name, call_id, **texts)

    def _is_alive(self, call_id: str) -> bool:
        return call_id in self._calls and not self._calls[call_id].state.status.has_ended

    def _get(self, call_id: str) -> _Call:
        if call_id not in self._calls:
            raise CallNotFound(call_id)
        return self._calls[call_id]

    def _check(self) -> None:
        if self._error:
            raise self._error


def _payload_bytes(call: NewCall) -> int:
    return len(call.payload) + len(b"\0".join(call.environment)) + CALL_OVERHEAD_BYTES


def _no_calls() -> dict[str, int]:
    return {"pending": 0, "running": 0, "finished": 0, "failed": 0}


def _now_ms() -> int:
    return int(time.time() * 1000)
