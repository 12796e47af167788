"""A whole service whose parts a test can break, and the ledger of its calls.

Each function writes a line to a volume when it runs, so a call that runs twice is noticed.
"""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dev import images, servers
from dev.machine import as_root
from tests.e2e.functions import CHANGES, IMAGE, Functions, containers

HOLDER = "holder"
RAN = 'echo "$CALL_ID" >>/data/ran; '
"""The start of every function's script. It leaves a line for the call."""

FIXED_KEYS = {"arrivals", "funcs", "service", "stored_bytes", "workers", "wake"}
"""Keys that stay when there are no funcs."""


@dataclass
class Plant:
    """The parts of a service. A test can pause, kill and restart each of them."""

    redis: servers.RedisServer
    web: servers.Service
    functions: Functions
    engines: list[servers.EngineServer]
    workers: list[servers.WorkerServer]
    stack: contextlib.ExitStack
    settings: dict[str, Any]
    accepted: dict[str, list[str]] = field(default_factory=lambda: collections.defaultdict(list))

    def define(self, name: str, script: str, **fields: Any) -> None:
        """Define a function that leaves a line each time it runs."""
        host = {"VolumesFrom": [HOLDER]}
        self.functions.define(name, RAN + script, HostConfig=host, **fields)

    def call(self, name: str, payload: bytes = b"") -> str:
        """Call a function and enter the call in the ledger."""
        call_id = self.functions.call(name, payload)
        self.accepted[name].append(call_id)
        return call_id

    def add_worker(self, engine: int = 0, **settings: Any) -> servers.WorkerServer:
        """Start another worker."""
        given = {**self.settings, "docker_host": self.engines[engine].host, **settings}
        worker = self.stack.enter_context(servers.worker(redis_url=self.redis.url, **given))
        self.workers.append(worker)
        return worker

    def wait_for_status(
        self, call_id: str, status: str, seconds: float = servers.PATIENCE_SECONDS
    ) -> None:
        """Wait until a call has this status."""
        key = f"funcsvc:call:{call_id}"
        with self.redis.client() as client:
            servers.wait_until(
                lambda: client.hget(key, "status") == status.encode(), f"call is {status}", seconds
            )

    def wait_until_ran(self, call_id: str, seconds: float = servers.PATIENCE_SECONDS) -> None:
        """Wait until a call's function has left its line."""
        servers.wait_until(lambda: call_id in self.runs(), "the function has begun", seconds)

    def runs(self) -> collections.Counter[str]:
        """Return how often each call's function has run."""
        lines = [line for engine in self.engines for line in _lines(engine)]
        return collections.Counter(lines)

    def check_ledger(self, seconds: float = 60) -> dict[str, int]:
        """Ask for every accepted call's output, and return how many finished and failed.

        Asserts that each call ended once, none ran twice, the counts add up and nothing is left.
        """
        ended = {"finished": 0, "failed": 0}
        for name, call_ids in self.accepted.items():
            answers = [self.functions.output(name, call_id, seconds) for call_id in call_ids]
            assert {it.status for it in answers} <= {200, 500, 504}, [it.body for it in answers]
            finished = sum(it.status == 200 for it in answers)
            assert self.functions.counts(name) == {
                "Total": len(call_ids),
                "Pending": 0,
                "Running": 0,
                "Finished": finished,
                "Failed": len(call_ids) - finished,
            }
            ended["finished"] += finished
            ended["failed"] += len(call_ids) - finished
        runs = self.runs()
        assert [call_id for call_id, times in runs.items() if times > 1] == []
        self.check_nothing_is_left()
        return ended

    def check_nothing_is_left(self, seconds: float = servers.PATIENCE_SECONDS) -> None:
        """Delete the functions. Fail if a container is left, or a key that should be gone.

        Waiting instances must go with their function.
        """
        for name in [*self.functions.keys]:
            assert self.web.request("DELETE", f"/funcs/{name}").status == 204
            del self.functions.keys[name]
        self.accepted.clear()
        for engine in self.engines:
            servers.wait_until(
                lambda engine=engine: not containers(engine), "no container is left", seconds
            )
        servers.wait_until(lambda: not self._keys_left(), "no key is left", seconds)

    def _keys_left(self) -> set[str]:
        with self.redis.client() as client:
            keys = {key.decode().removeprefix("funcsvc:") for key in client.scan_iter("funcsvc:*")}
        return keys - FIXED_KEYS


def _lines(engine: servers.EngineServer) -> list[str]:
    with contextlib.closing(engine.client()) as client:
        mounts = client.inspect_container(HOLDER)["Mounts"]
    # an engine's data belong to root; without the file no function has begun
    return as_root.run("cat", f"{mounts[0]['Source']}/ran", check=False).stdout.split()


def _prepare(engine: servers.EngineServer) -> None:
    images.import_image(engine.host, IMAGE, images.shell_tar(), CHANGES)
    with contextlib.closing(engine.client()) as client:
        host_config = client.create_host_config(binds=["ran:/data"])
        client.create_container(IMAGE, ["true"], name=HOLDER, host_config=host_config)


@contextlib.contextmanager
def plant(engines: int = 1, workers: int = 1, **settings: Any) -> Iterator[Plant]:
    """Run a service with an append-only Redis, and with this many engines and workers."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(servers.redis_server(appendonly="yes"))
        made = [stack.enter_context(servers.engine_server()) for _ in range(engines)]
        for engine in made:
            _prepare(engine)
        web = stack.enter_context(
            servers.service(redis_url=redis.url, docker_host=made[0].host, threads=64)
        )
        given = Plant(redis, web, Functions(web), made, [], stack, settings)
        for number in range(workers):
            given.add_worker(number % engines)
        yield given


def in_background(target: Any, *args: Any) -> threading.Thread:
    """Start a thread, which the test must join."""
    thread = threading.Thread(target=target, args=args)
    thread.start()
    return thread
