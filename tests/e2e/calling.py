"""A func in a real Redis, without an engine; and a worker that the test plays itself."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from dev import servers
from funcsvc.config import Settings, load_settings
from funcsvc.model import Outcome, ReservedCall
from funcsvc.model.errors import StoreUnavailable
from funcsvc.schemas import FuncSchema, func_text
from funcsvc.store import BlockingClient, CallQueue, CallStore, FuncStore, RedisClient, RedisKeys

HELLO = Outcome(output=b"HelloWorld\n", short_stdout=b"HelloWorld\n")
MAX_THREADS = 64


@dataclass
class Calls:
    """The calls of one Redis, as a worker and as a test look at them."""

    settings: Settings
    client: RedisClient = field(init=False)
    blocking: BlockingClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = RedisClient(
            self.settings.redis_url, timeout_seconds=10, max_connections=MAX_THREADS
        )
        self.blocking = BlockingClient(self.settings, MAX_THREADS)
        self.store = CallStore(self.client, self.blocking, self.settings)
        self.funcs = FuncStore(self.client, RedisKeys(self.settings.redis_prefix))
        self.queue = CallQueue(self.client, self.blocking, self.settings, "engine-of-the-test")

    def create_func(self, name: str) -> str:
        """Store a func, and return its UUID."""
        func = FuncSchema().load_new({"Name": name, "Config": {"Image": "none", "Cmd": "true"}})
        self.funcs.create_func(func, func_text(func))
        return func.uuid

    def reserve(self) -> ReservedCall:
        """Take the next call, which must be there, or come soon."""
        token = self.queue.new_token()
        call = servers.wait_until(lambda: self.queue.reserve_call(token), "a call is pending")
        self.queue.begin_call(token, f"instance-{call.id}", "nonce")
        return call

    def end(self, call: ReservedCall, outcome: Outcome = HELLO) -> None:
        """End a call that is held."""
        assert self.queue.end_call(call.token, outcome)

    def pending(self, name: str) -> int:
        """Return how many calls of a func are pending."""
        return self.store.get_counts(name).pending

    def close(self) -> None:
        """Close every connection."""
        self.client.close()
        self.blocking.close()


@contextlib.contextmanager
def calls_of(redis_url: str, redis_prefix: str = "funcsvc:") -> Iterator[Calls]:
    """Look at the calls of one Redis."""
    settings = {"FUNCSVC_REDIS_URL": redis_url, "FUNCSVC_REDIS_PREFIX": redis_prefix}
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
                    calls.queue.wait_for_call(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def events_of(text: bytes | str) -> list[tuple[str, str]]:
    """Return event and call of each line of a log."""
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["Event"], line["CallId"]) for line in lines]
