"""Where everything plays: the services, the engine, a worker where there is one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from bench import BenchFailed
from bench.docker_peers import DockerCommand
from bench.engine import IMAGE, RUNNING, SERVICE_LABEL, Engine, stays
from bench.load import PAYLOAD, CallClient
from bench.redis_data import RedisData
from bench.servers import run_worker
from dev.machine.waiting import NotInTime, wait_until
from dev.servers import Service, WorkerServer

_REST_SECONDS = 2
"""What went before a run of load, the removal of containers or a fill, ends its disk work."""

_REFILL_SECONDS = 2
_LOG_SECONDS = 0.1
_MET = "in a waiting instance"
_T = TypeVar("_T")


@dataclass
class Worker:
    """A running worker. `service` is what the label of its containers says."""

    server: WorkerServer
    service: str
    engine: Engine
    client: CallClient
    has_waiting: bool
    _waited: frozenset[str] = frozenset()
    _has_called: bool = False

    def call(self, payload: bytes = PAYLOAD) -> float:
        """Call `cat` and wait for the output; return the milliseconds it took."""
        self._has_called = True
        return self.client.call_sync(payload)

    def make_client(self, stack: ExitStack) -> CallClient:
        """Return another client of `cat`; the stack closes it."""
        return stack.enter_context(closing(CallClient(self.client.port, self.client.path)))

    def settle(self) -> None:
        """Wait until no container of what went before is left, but for one that waits."""
        if not self.has_waiting:
            self.engine.wait_until_quiet(self.service)
            return
        with suppress(NotInTime):  # a call then meets no instance, which is told
            wait_until(lambda: stays(self._one_waits), "an instance waits", _REFILL_SECONDS)
        self._waited = frozenset(self.engine.list_running(self.service))
        self._has_called = False

    def _one_waits(self) -> bool:
        """Tell so by what runs: an instance that was used runs until it ends and is removed."""
        states = self.engine.states(self.service)
        used_is_gone = not self._has_called or not self._waited or self._waited - states.keys()
        return bool(used_is_gone) and set(states.values()) == {RUNNING}

    def count_met(self) -> int:
        """Return how many calls met a waiting instance so far, by the worker's own log."""
        time.sleep(_LOG_SECONDS)  # the line comes after the answer
        return self.server.log().count(_MET)


@dataclass
class Stage:
    """The web service and the bare one, which have one prefix, and what stands beside them."""

    rounds: int
    is_quick: bool
    environment: Mapping[str, str]
    service: Service
    bare: Service
    data: RedisData
    engine: Engine
    docker: DockerCommand
    worker: Worker | None = None

    def get_worker(self) -> Worker:
        """Return the worker that runs."""
        assert self.worker is not None
        return self.worker

    def pick(self, usual: _T, quick: _T) -> _T:
        """Return how much is done usually, or where it is only tried."""
        return quick if self.is_quick else usual

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
        path = self.create_cat()
        try:
            with (
                run_worker(self.environment, waiting=waiting) as server,
                closing(CallClient(self.service.port, path)) as client,
            ):
                service = self.data.get_service()
                self.worker = Worker(server, service, self.engine, client, waiting)
                yield self.worker
        finally:
            if self.worker:
                self.engine.remove_all({SERVICE_LABEL: self.worker.service})
            self.worker = None

    def create_cat(self) -> str:
        """Have `cat` as the only func, and return its path, NAME/UUID."""
        self.data.clear()
        return f"cat/{create(self.service, 'cat', Config={'Cmd': ['cat']})['UUID']}"

    def store_funcs(self, funcs: int = 1) -> None:
        """Have the README's helloworld as the only func, or one of as many like it."""
        self.data.clear()
        create(self.service, "helloworld")
        self.data.copy_func("helloworld", funcs - 1)


def create(service: Service, name: str, **fields: Any) -> Any:
    """Create a func, by default the README's, and return its definition."""
    answer = service.create(name, IMAGE, **fields)
    if answer.status != 201:
        raise BenchFailed(f"The create of {name} was answered {answer.status}: {answer.body!r}")
    return answer.json
