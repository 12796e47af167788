"""A model of calls, their queue and their counts, in plain Python and without a clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from funcsvc.model import CallStatus, Outcome
from tests.contract.whole_state import CALL_OVERHEAD_BYTES, WholeState

GONE_SECONDS = 60


@dataclass
class ModelCall:
    """A call. `lease_age` is how many seconds ago its lease ended, or None while it is valid."""

    id: str
    func: str
    number: int
    place: int
    status: CallStatus = CallStatus.PENDING
    attempt: int = 0
    token: str = ""
    engine: str = ""
    lease_age: int | None = None
    is_delayed: bool = False
    output: bytes = b""

    def drop_hold(self) -> None:
        self.token, self.engine, self.lease_age = "", "", None


@dataclass
class ModelFunc:
    """A func and the history of its calls. `ended` is in the order in which they ended."""

    limit: int = 0
    counts: Counter[CallStatus] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)
    rotated: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)


class CallModel:
    """All calls.

    `dropped` has the tokens that no longer hold a call, `removed` the calls that never ended.
    """

    def __init__(self, max_outputs_bytes: int) -> None:
        self.max_outputs_bytes = max_outputs_bytes
        self.funcs: dict[str, ModelFunc] = {}
        self.calls: dict[str, ModelCall] = {}
        self.worker_ages: dict[str, int] = {}
        self.dropped: list[str] = []
        self.removed: set[str] = set()
        self.arrivals = 0

    def of(self, func_name: str, *statuses: CallStatus) -> list[ModelCall]:
        """Return the calls of a func that have one of these statuses, in order of arrival."""
        calls = self.calls.values()
        return [call for call in calls if call.func == func_name and call.status in statuses]

    @property
    def held(self) -> dict[str, ModelCall]:
        """The running calls, by token."""
        return {call.token: call for call in self.calls.values() if call.token}

    def create(self, call_id: str, func_name: str, limit: int) -> None:
        """Accept a call."""
        self.arrivals += 1
        self.calls[call_id] = ModelCall(call_id, func_name, self.arrivals, self.arrivals)
        self.funcs[func_name].limit = limit
        self.funcs[func_name].events.append(("CALL", call_id))
        self._move(self.calls[call_id], CallStatus.PENDING)

    def next_call(self) -> ModelCall | None:
        """Return the call that must be reserved next."""
        return min(
            (
                call
                for name, func in self.funcs.items()
                if not func.limit or len(self.of(name, CallStatus.RUNNING)) < func.limit
                for call in self.of(name, CallStatus.PENDING)
                if not call.is_delayed
            ),
            key=lambda call: call.place,
            default=None,
        )

    def queue_due(self, order: list[str]) -> None:
        """Queue the calls that were put back, in this order, behind all others."""
        for call_id in order:
            self.arrivals += 1
            self.calls[call_id].place, self.calls[call_id].is_delayed = self.arrivals, False

    def reserve(self, call: ModelCall, token: str) -> None:
        """Let a worker hold a call."""
        call.token = token
        call.attempt += 1
        self._move(call, CallStatus.RUNNING)

    def release(self, call: ModelCall) -> None:
        """Put a call back, to be queued again by the next reservation."""
        self._drop(call)
        call.is_delayed = True
        self._move(call, CallStatus.PENDING)

    def end(self, call: ModelCall, outcome: Outcome) -> None:
        """End a call. The oldest outputs are rotated away if there are too many."""
        self._drop(call)
        call.output = outcome.output
        self._move(call, outcome.status)
        func = self.funcs[call.func]
        func.counts[outcome.status] += 1
        func.ended.append(call.id)
        while self.kept_bytes(func) > self.max_outputs_bytes:
            oldest = func.ended.pop(0)
            func.rotated.append(oldest)
            del self.calls[oldest]

    def kept_bytes(self, func: ModelFunc) -> int:
        """Return how many bytes the kept outputs of a func count for."""
        return sum(len(self.calls[one].output) + CALL_OVERHEAD_BYTES for one in func.ended)

    def delete_call(self, call_id: str) -> None:
        """Delete a call if it has ended."""
        call = self.calls.get(call_id)
        if call and call.status.has_ended:
            self.funcs[call.func].ended.remove(call_id)
            del self.calls[call_id]

    def delete_func(self, func_name: str, *, force: bool) -> bool:
        """Delete a func, unless it has pending or running calls. Return whether it was deleted."""
        unended = self.of(func_name, CallStatus.PENDING, CallStatus.RUNNING)
        if unended and not force:
            return False
        for call in unended:
            self.removed.add(call.id)
            if call.token:
                self._drop(call)
        del self.funcs[func_name]
        self.calls = {key: call for key, call in self.calls.items() if call.func != func_name}
        return True

    def adopt(self, engine: str, token: str, order: list[str], gone: Outcome) -> ModelCall | None:
        """Process the calls whose lease has ended, in this order. Return the one taken over."""
        for call_id in order:
            call = self.calls[call_id]
            if call.lease_age is None:
                continue
            if not call.engine:
                self.release(call)
            elif call.engine == engine:
                self.dropped.append(call.token)
                call.token, call.lease_age = token, None
                return call
            elif self._is_gone(call):
                self.end(call, gone)
        return None

    def _is_gone(self, call: ModelCall) -> bool:
        ages = call.lease_age, self.worker_ages.get(call.engine, GONE_SECONDS + 1)
        return all(age is not None and age > GONE_SECONDS for age in ages)

    def _drop(self, call: ModelCall) -> None:
        self.dropped.append(call.token)
        call.drop_hold()

    def _move(self, call: ModelCall, status: CallStatus) -> None:
        call.status = status
        self.funcs[call.func].events.append((status.upper(), call.id))

    def check(self, state: WholeState) -> None:
        """Assert that Redis holds exactly this state."""
        assert set(state.get("funcs")) == set(self.funcs)
        stored = state.below("call")
        assert set(stored) == set(self.calls)
        for call_id, call in self.calls.items():
            self._check_call(call, stored[call_id])
        for name, func in self.funcs.items():
            self._check_func(name, func, state)

    def _check_call(self, call: ModelCall, stored: dict[str, bytes]) -> None:
        assert stored["status"].decode() == call.status
        assert (int(stored["number"]), int(stored["attempt"])) == (call.number, call.attempt)
        assert stored.get("token", b"").decode() == call.token
        assert stored.get("engine", b"").decode() == call.engine
        assert stored.get("output", b"") == call.output

    def _check_func(self, name: str, func: ModelFunc, state: WholeState) -> None:
        counts = {field: int(number) for field, number in state.get(f"counts:{name}").items()}
        for status in CallStatus:
            alive = len(self.of(name, status))
            expected = func.counts[status] if status.has_ended else alive
            assert counts.get(status.lower(), 0) == expected
        assert list(state.get(f"outputs:{name}")) == func.ended
        assert list(state.get(f"rotated:{name}")) == func.rotated
        events = state.get(f"logs:{name}").values()
        assert [(one[b"event"].decode(), one[b"call"].decode()) for one in events] == func.events
