"""Funcs in a real Redis without an engine, and a worker that the test plays itself."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

from dev import servers
from funcsvc.config import Settings, load_settings
from funcsvc.model import Outcome, ReservedCall
from funcsvc.model.errors import StoreUnavailable
from funcsvc.schemas import FuncSchema, func_text
from funcsvc.store import open_stores

HELLO = Outcome(output=b"HelloWorld\n", short_stdout=b"HelloWorld\n")
MAX_THREADS = 64


@dataclass
class Calls:
    """The calls in one Redis, for a test to inspect, or to run as a worker."""

    settings: Settings

    def __post_init__(self) -> None:
        self._stores = open_stores(self.settings, max_threads=MAX_THREADS, max_blocked=MAX_THREADS)
        self.store, self.funcs = self._stores.calls, self._stores.funcs
        self.queue = self._stores.open_queue("engine-of-the-test")

    def create_func(self, name: str, **config: object) -> str:
        """Store a func and return its UUID."""
        given = {"Image": "none", "Cmd": "true", **config}
        func = FuncSchema().load_new({"Name": name, "Config": given})
        self.funcs.create_func(func, func_text(func))
        return func.uuid

    def reserve(self) -> ReservedCall:
        """Reserve and begin the next call, which must be pending soon."""
        token = self.queue.new_token()
        call = servers.wait_until(lambda: self.queue.reserve_call(token), "a call is pending")
        self.queue.begin_call(token, f"instance-{call.id}", "nonce")
        return call

    def end(self, call: ReservedCall, outcome: Outcome = HELLO) -> None:
        """End a running call."""
        assert self.queue.end_call(call.token, outcome)

    def pending(self, name: str) -> int:
        """Return how many calls of a func are pending."""
        return self.store.get_counts(name).pending

    def close(self) -> None:
        """Close every connection."""
        self._stores.close()


@contextlib.contextmanager
def calls_of(redis_url: str, redis_prefix: str = "funcsvc:") -> Iterator[Calls]:
    """Open the calls in one Redis."""
    settings = {
        "FUNCSVC_REDIS_URL": redis_url,
        "FUNCSVC_REDIS_PREFIX": redis_prefix,
        "FUNCSVC_REDIS_TIMEOUT_SECONDS": "10",
    }
    calls = Calls(load_settings(settings))
    try:
        yield calls
    finally:
        calls.close()


@contextlib.contextmanager
def worker(
    calls: Calls, run: Callable[[ReservedCall], Outcome] = lambda _: HELLO
) -> Iterator[None]:
    """Play a worker that ends each call at once."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            with contextlib.suppress(StoreUnavailable):
                call = calls.queue.reserve_call(token := calls.queue.new_token())
                if call:
                    calls.queue.begin_call(token, f"instance-{uuid4()}", "nonce")
                    calls.queue.end_call(token, run(call))
                else:
                    calls.queue.wait_for_pending(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def events_of(text: bytes | str) -> list[tuple[str, str]]:
    """Return the event and call id of each line of a log."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["Event"], line["CallId"]) for line in lines]
