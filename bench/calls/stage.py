"""Where the parts of the benchmark of calls play: the services, the engine, how much is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event

from bench.calls.client import CallAddress, CallClient, create_func
from bench.calls.docker_cli import DockerCli
from bench.calls.engine import SERVICE_LABEL, CallsEngine
from bench.calls.worker import Worker, run_worker
from bench.redis_data import RedisData
from bench.service import Service

CLIENTS = 8
"""How many clients call at once where calls are counted by the second."""


@dataclass(frozen=True)
class CallPlan:
    """How much is measured. `rounds` is of phases of some seconds, the other counts of calls."""

    rounds: int = 5
    seconds: float = 15
    wrk_seconds: float = 6
    cold_calls: int = 200
    waiting_calls: int = 300
    large_calls: int = 100
    split_calls: int = 50
    memory_calls: int = 2_000
    bursts: int = 3
    burst_lead_seconds: float = 60


QUICK = CallPlan(
    rounds=1,
    seconds=5,
    wrk_seconds=2,
    cold_calls=5,
    waiting_calls=10,
    large_calls=5,
    split_calls=5,
    memory_calls=40,
    bursts=1,
    burst_lead_seconds=5,
)


@dataclass(frozen=True)
class Stage:
    """The web service and the bare one, which have one prefix, and what stands beside them."""

    plan: CallPlan
    environment: Mapping[str, str]
    image: str
    service: Service
    bare: Service
    data: RedisData
    engine: CallsEngine
    docker: DockerCli

    def create_func(self, name: str = "cat") -> CallAddress:
        """Have `cat` as the only func."""
        self.data.clear()
        return create_func(self.service, name, self.image)

    @contextmanager
    def worker(self, *, waiting: bool) -> Iterator[Worker]:
        """Have a worker; its containers are gone at the end."""
        services = []
        try:
            with run_worker(self.environment, self.data, waiting=waiting) as worker:
                services.append(worker.service)
                yield worker
        finally:
            for service in services:
                self.engine.remove_labelled(SERVICE_LABEL, service)

    def wait_until_quiet(self, worker: Worker) -> None:
        """Wait until no container of what went before is left on the engine."""
        self.engine.wait_until_quiet(worker.service)


def call_at_once(
    address: CallAddress, clients: int, goes_on: Callable[[], bool]
) -> tuple[list[float], float]:
    """Call again and again from several connections; return milliseconds, and seconds in all."""
    stop = Event()

    def work(_: int) -> list[float]:
        taken_ms = []
        with closing(CallClient(address)) as client:
            while not stop.is_set() and goes_on():
                taken_ms.append(client.call_sync())
        return taken_ms

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        try:
            parts = list(pool.map(work, range(clients)))
        finally:
            stop.set()
    return [ms for part in parts for ms in part], time.perf_counter() - start


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Return what says that a time isn't over yet."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end
