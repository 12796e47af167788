"""Where everything plays: the services, the engine, a worker where there is one, and the plan."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bench import BenchFailed
from bench.docker_peers import DockerCommand
from bench.engine import RUNNING, SERVICE_LABEL, Engine
from bench.load import PAYLOAD, CallAddress, CallClient
from bench.redis_data import RedisData, Sample, fill_name
from bench.servers import Server, Service, run_worker, wait_until

PAGE = 100
"""How many funcs are a page."""

FILL, PENDING = 100_000, 100_000
"""How many funcs, and how many pending calls, count as many."""

_REST_SECONDS = 2
"""What went before a run of load, the removal of containers or a fill, ends its work on the disk."""

_REFILL_SECONDS = 2
_LOG_SECONDS = 0.1
_MET = "in a waiting instance"
HELLO = ("echo", "HelloWorld")


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds of runs of some seconds, and numbers of calls."""

    rounds: int = 5
    create_seconds: float = 10
    read_seconds: float = 5
    accept_seconds: float = 6
    phase_seconds: float = 15
    cold_calls: int = 200
    waiting_calls: int = 300
    large_calls: int = 100
    split_calls: int = 50
    memory_calls: int = 2_000
    memory_creates: int = 100_000
    bursts: int = 3
    burst_lead_seconds: float = 60


QUICK = Plan(
    rounds=1,
    create_seconds=2,
    read_seconds=2,
    accept_seconds=2,
    phase_seconds=5,
    cold_calls=5,
    waiting_calls=10,
    large_calls=5,
    split_calls=5,
    memory_calls=40,
    memory_creates=0,
    bursts=1,
    burst_lead_seconds=5,
)


class Worker:
    """A running worker, and a client that calls `cat`. `service` is what its containers carry."""

    def __init__(
        self, server: Server, service: str, engine: Engine, address: CallAddress, *, waiting: bool
    ) -> None:
        self.pid = server.pid
        self.service = service
        self.address = address
        self.has_waiting = waiting
        self._server = server
        self._engine = engine
        self._client = CallClient(address)
        self._waited: set[str] = set()
        self._has_called = False

    def call(self, payload: bytes = PAYLOAD) -> float:
        """Call and wait for the output; return the milliseconds it took."""
        self._has_called = True
        return self._client.call_sync(payload)

    def settle(self) -> None:
        """Wait until no container of what went before is left, but for one that waits."""
        if not self.has_waiting:
            self._engine.wait_until_quiet(self.service)
            return
        with suppress(BenchFailed):  # a call then meets no instance, which is told
            wait_until(self._one_waits, "an instance waits", _REFILL_SECONDS, looks=3)
        self._waited = self._engine.list_running(self.service)
        self._has_called = False

    def _one_waits(self) -> bool:
        """Tell so by what runs: an instance that was used runs until it ends and is removed."""
        states = self._engine.states(self.service)
        used_is_gone = not self._has_called or not self._waited or self._waited - states.keys()
        return bool(used_is_gone) and set(states.values()) == {RUNNING}

    def close(self) -> None:
        """Close the client's connection."""
        self._client.close()

    def count_met(self) -> int:
        """Return how many calls met a waiting instance so far, by the worker's own log."""
        time.sleep(_LOG_SECONDS)  # the line comes after the answer
        return self._server.log().count(_MET)


@dataclass
class Stage:
    """The web service and the bare one, which have one prefix, and what stands beside them."""

    plan: Plan
    environment: Mapping[str, str]
    image: str
    service: Service
    bare: Service
    data: RedisData
    engine: Engine
    docker: DockerCommand
    worker: Worker | None = None

    def settle(self) -> None:
        """Wait until nothing of what went before is at work any more."""
        if self.worker:
            self.worker.settle()
        else:
            self.data.settle()
            time.sleep(_REST_SECONDS)

    @contextmanager
    def run_worker(self, *, waiting: bool) -> Iterator[Worker]:
        """Have `cat` as the only func, and a worker; its containers are gone at the end."""
        address = self.create_cat()
        try:
            with run_worker(self.environment, waiting=waiting) as server:
                service = self.data.get_service()
                worker = Worker(server, service, self.engine, address, waiting=waiting)
                with closing(worker):
                    self.worker = worker
                    yield worker
        finally:
            if self.worker:
                self.engine.remove_all({SERVICE_LABEL: self.worker.service})
            self.worker = None

    def create_cat(self) -> CallAddress:
        """Have `cat` as the only func, and return where it is called."""
        self.data.clear()
        uuid = create(self.service, "cat", self.image, ["cat"])["UUID"]
        return CallAddress(self.service.port, f"cat/{uuid}")

    def take_sample(self) -> Sample:
        """Have the README's helloworld as the only func, and return what was stored for it."""
        self.data.clear()
        create(self.service, "helloworld", self.image, HELLO)
        return self.data.take_sample("helloworld")

    def store_funcs(self, funcs: int) -> None:
        """Have this many funcs like the README's helloworld, and no other."""
        self.data.fill(self.take_sample(), funcs - 1)
        status, _ = self.service.create(fill_name(0), self.image, HELLO)
        if status != 409:
            raise BenchFailed(f"A func that was only copied was created again, with {status}.")


def create(service: Service, name: str, image: str, command: Sequence[str]) -> Any:
    """Create a func and return its document; raises BenchFailed unless that is answered 201."""
    status, document = service.create(name, image, command)
    if status != 201:
        raise BenchFailed(f"The create of {name} was answered {status}: {document}")
    return document
