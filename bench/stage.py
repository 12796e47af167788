"""Where everything plays: the services, the engine, a worker where there is one."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

from bench.engine import IMAGE, SERVICE_LABEL, Engine, stays
from bench.load import PAYLOAD, TIMEOUT_SECONDS, call
from bench.redis_data import RedisData
from dev.machine.waiting import NotInTime, wait_until
from dev.servers import LOOPBACK, WEB_COMMAND, WORKER_COMMAND, Service, WorkerServer, free_port
from dev.servers.process import running

_REST_SECONDS = 1
"""What went before a run of load, the removal of containers or a fill, ends its disk work."""

_REFILL_SECONDS = 5
_LOG_SECONDS = 0.1
_T = TypeVar("_T")


def serve(application: str, environment: Mapping[str, str]) -> AbstractContextManager[Service]:
    """Serve an application as funcsvc is served: gunicorn.conf.py, and default settings."""
    port = free_port()
    settings = {
        **environment,
        "FUNCSVC_BIND": f"{LOOPBACK}:{port}",
        "GUNICORN_CMD_ARGS": "--access-logfile /dev/null",  # written as always, and thrown away
    }

    def make(place: Path) -> Service:
        service = Service(place, port, settings)
        service.command = [*WEB_COMMAND[:-1], application]
        return service

    return running(make)


@dataclass
class Worker:
    """A running worker, and a client of `cat`. `service` is what its containers' label says."""

    server: WorkerServer
    service: str
    engine: Engine
    connection: HTTPConnection
    path: str
    has_waiting: bool

    def call(self, payload: bytes = PAYLOAD) -> float:
        """Call `cat` and wait for the output; return the milliseconds it took."""
        return call(self.connection, self.path, payload)

    def settle(self) -> None:
        """Wait until no container of what went before is left, but for those that wait."""
        if not self.has_waiting:
            self.engine.wait_until_quiet(self.service)
            return
        with suppress(NotInTime):  # a call then meets no instance, which is told
            one_waits = partial(self.engine.one_waits, self.service)
            wait_until(lambda: stays(one_waits), "an instance waits", _REFILL_SECONDS)

    def count_met(self) -> int:
        """Return how many calls met a waiting instance so far, by the worker's own log."""
        time.sleep(_LOG_SECONDS)  # the line comes after the answer
        return self.server.log().count("in a waiting instance")


@dataclass
class Stage:
    """The web service and the bare one, which have one prefix, and what stands beside them."""

    rounds: int
    is_quick: bool
    environment: Mapping[str, str]
    web: Service
    bare: Service
    data: RedisData
    engine: Engine
    worker: Worker | None = None
    started: dict[str, Any] = field(default_factory=dict)

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
        path, environment = self.create_cat(), dict(self.environment)
        if not waiting:
            environment["FUNCSVC_WAITING_PER_FUNC"] = "0"
        try:
            with (
                running(lambda place: WorkerServer(place, WORKER_COMMAND, environment)) as server,
                self.web.connection(TIMEOUT_SECONDS) as connection,
            ):
                service = self.data.get_service()
                self.worker = Worker(server, service, self.engine, connection, path, waiting)
                yield self.worker
        finally:
            if self.worker:
                self.engine.remove_all({SERVICE_LABEL: self.worker.service})
            self.worker = None

    def create_cat(self) -> str:
        """Have `cat` as the only func, and return its path, NAME/UUID."""
        self.data.clear()
        return f"cat/{self.web.create('cat', IMAGE, Config={'Cmd': ['cat']}).json['UUID']}"

    def store_funcs(self, funcs: int) -> None:
        """Have the README's helloworld as the only func, or one of as many like it."""
        self.data.clear()
        self.web.create("helloworld", IMAGE)
        self.data.copy_func("helloworld", funcs - 1)
        self.settle()
