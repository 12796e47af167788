"""How the contract tests play the web process and a worker, over the fakes and the real Redis."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from dev.machine.waiting import NEVER_SECONDS
from funcsvc.config import Settings, load_settings
from funcsvc.model import (
    CallCounts,
    CallStatus,
    Event,
    Failure,
    Func,
    NewCall,
    Outcome,
    ReservedCall,
)
from funcsvc.model.errors import CallNotFound
from funcsvc.store.calls import RedisCallStore
from funcsvc.store.events import RedisEventLog
from funcsvc.store.funcs import RedisFuncStore
from funcsvc.store.keys import RedisKeys
from funcsvc.store.queue import RedisCallQueue
from tests.contract.stores import make_client, new_func
from tests.contract.whole_state import CALL_OVERHEAD_BYTES
from tests.fakes import FakeCallStore, FakeFuncStore

ENDED = Outcome(output=b"out")
LATE = Outcome(output=b"late")
FAILED = Outcome(
    output=b"half", failure=Failure.TIMED_OUT, message="It took longer than 1 second: ä☃."
)
NOBODY = "00000000-0000-4000-8000-000000000000"
EVERY_BYTE = bytes(range(256))
OUTPUT_BYTES = 1000
KEPT = 3
BOUND_OF_KEPT = KEPT * (OUTPUT_BYTES + CALL_OVERHEAD_BYTES)


class Service:
    """Funcs, their calls and their events, over fakes or the real Redis."""

    funcs: Any
    calls: Any
    events: Any

    def add_func(self, name: str = "hello") -> Func:
        """Create a func."""
        func, definition = new_func(name)
        self.funcs.create_func(func, definition)
        return func

    def call(self, func: Func, payload: bytes = b"", **changes) -> str:
        """Create a call of a func and return its id."""
        call = new_call(func, payload=payload, **changes)
        self.calls.create_call(call)
        return call.id

    def events_of(self, func: Func, **options) -> list[Event]:
        """Return the events of a func."""
        return list(self.events.list_events(func.name, **options))

    def event_names(self, func: Func, call_id: str = "") -> list[str]:
        """Return the names of the events of a func, or of one of its calls."""
        return [event.name for event in self.events_of(func, call_id=call_id)]


class FakeService(Service):
    """A service made of fakes."""

    def __init__(self, **options) -> None:
        self.funcs = FakeFuncStore()
        self.calls = FakeCallStore(self.funcs, **options)
        self.events = self.calls.events

    def run(self, call_id: str) -> None:
        """Let a call run."""
        self.calls.run(call_id)

    def end(self, call_id: str, outcome: Outcome = ENDED) -> None:
        """End a running call. A pending one runs first."""
        self.calls.end(call_id, outcome)


class RealService(Service):
    """The stores over the real Redis, and a worker on the engine `here`. Options are settings."""

    def __init__(
        self,
        url: str,
        prefix: str,
        seconds: float = 10,
        limits: dict | None = None,
        first_delay_ms: int = 0,
        **options,
    ) -> None:
        self.settings = make_settings(url, prefix, redis_timeout_seconds=seconds, **options)
        self.keys = RedisKeys(prefix)
        blocking = {"max_block_seconds": NEVER_SECONDS, **(limits or {})}
        self.client = make_client(url, seconds, **blocking)
        self.funcs = RedisFuncStore(self.client, self.keys)
        self.calls = RedisCallStore(self.client, self.settings)
        self.events = RedisEventLog(self.client, self.keys)
        self.first_delay_ms = first_delay_ms
        self.queue = self.new_queue()
        self._tokens: dict[str, str] = {}

    def new_queue(self, engine: str = "here", **options) -> RedisCallQueue:
        """Return the queue of another worker. Options are settings."""
        settings = replace(self.settings, **options)
        return RedisCallQueue(self.client, settings, engine, self.first_delay_ms)

    def reserve(self, queue: RedisCallQueue | None = None) -> ReservedCall:
        """Reserve the next call, which must exist."""
        queue = queue or self.queue
        call = queue.reserve_call(queue.new_token())
        assert call is not None
        return call

    def begin(self, queue: RedisCallQueue | None = None) -> tuple[ReservedCall, str]:
        """Reserve and begin the next call. Return it with the name of its container."""
        queue = queue or self.queue
        call = self.reserve(queue)
        instance = f"instance-of-{call.token}"
        assert queue.begin_call(call.token, instance, "nonce")
        return call, instance

    def run(self, call_id: str) -> None:
        """Let a call run, which must be the next one."""
        call = self.reserve()
        assert call.id == call_id
        self._tokens[call_id] = call.token

    def end(self, call_id: str, outcome: Outcome = ENDED) -> None:
        """End a running call. A pending one runs first, and must be the next one."""
        if call_id not in self._tokens:
            self.run(call_id)
        assert self.queue.end_call(self._tokens.pop(call_id), outcome)

    def age(self, token: str, seconds: float, queue: RedisCallQueue | None = None) -> None:
        """Make the lease of a hold, and that of its worker, look as if it ended `seconds` ago."""
        queue = queue or self.queue
        older = self.new_queue(queue.engine, lease_seconds=-seconds)
        older.worker = queue.worker
        assert older.renew_leases([token]) == set()

    def close(self) -> None:
        """Close every connection."""
        self.client.close()


def make_settings(url: str, prefix: str, **options) -> Settings:
    """Return settings, including values that an operator can't choose."""
    return replace(load_settings({}), redis_url=url, redis_prefix=prefix, **options)


def new_call(func: Func, **changes) -> NewCall:
    """Return a valid call of a func."""
    call = NewCall(
        id=str(uuid4()),
        func_name=func.name,
        func_uuid=func.uuid,
        payload=b"",
        environment=(),
        max_running=0,
    )
    return replace(call, **changes)


def counts(**numbers: int) -> CallCounts:
    """Return counts with these numbers; the others are 0."""
    all_numbers = {"pending": 0, "running": 0, "finished": 0, "failed": 0, **numbers}
    return CallCounts(total=sum(all_numbers.values()), **all_numbers)


def end_one(service, func, outcome: Outcome) -> str:
    """Create a call, end it and return its id."""
    call_id = service.call(func)
    service.end(call_id, outcome)
    return call_id


def assert_not_found(service, func_name: str, call_id: str) -> None:
    with pytest.raises(CallNotFound) as caught:
        service.calls.get_call(func_name, call_id)
    assert caught.value.message == f'There is no call "{call_id}".'


def wait(service, call_id: str, seconds: float = NEVER_SECONDS) -> float:
    """Wait for the end of a call. Return the time at which the wait was over."""
    service.calls.wait_for_end(call_id, seconds)
    return time.monotonic()


def reserve_all(real, queue=None) -> list[str]:
    """Reserve calls until none can be reserved. Return their ids."""
    queue = queue or real.queue
    found = []
    while call := queue.reserve_call(queue.new_token()):
        found.append(call.id)
    return found


def status_of(real, call_id: str, func_name: str = "hello") -> CallStatus:
    return real.calls.get_call(func_name, call_id).status
