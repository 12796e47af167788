"""The engine as the benchmark of calls sees it: whose containers there are, their memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from requests.exceptions import JSONDecodeError

from bench.runs import BenchFailed

BENCH_LABEL = "funcsvc.bench"
SERVICE_LABEL = "funcsvc.service"

RUNNING, CREATED = "running", "created"

_LOOKS = 3
_LOOK_SECONDS = 0.01
_REST_SECONDS = 0.05
"""What is gone by the engine's word still has a shim that ends."""

_QUIET_SECONDS = 60
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class IdleMemory:
    """Bytes that one waiting instance takes. `cgroup` is as the engine counts, `pss` by share."""

    starter_rss: int
    starter_pss: int
    shim_rss: int
    shim_pss: int
    cgroup: int


class CallsEngine:
    """One engine, for one thread. `run_id` labels the containers that the benchmark makes."""

    def __init__(self, docker_host: str, run_id: str) -> None:
        self.host = docker_host
        self.run_id = run_id
        self.client = docker.APIClient(docker_host, version="auto", timeout=_TIMEOUT_SECONDS)

    def states(self, service: str) -> dict[str, str]:
        """Return the containers of a service, each with its state as the engine words it."""
        return self._list(SERVICE_LABEL, service, all=True)

    def list_running(self, service: str) -> set[str]:
        """Return the containers of a service that run."""
        return {one for one, state in self.states(service).items() if state == RUNNING}

    def wait_until_quiet(self, service: str, left: Collection[str] = ()) -> None:
        """Return when a service has no container but in the states that may be `left`.

        What docker-py or the docker command made is gone by then too. Raises BenchFailed.
        """

        def is_quiet() -> bool:
            return set(self.states(service).values()) <= {*left} and not self._list_own()

        if not holds(is_quiet, _QUIET_SECONDS):
            raise BenchFailed(f"Containers are not removed within {_QUIET_SECONDS} s.")
        time.sleep(_REST_SECONDS)

    def remove_labelled(self, label: str, value: str) -> None:
        """Remove the containers of a label; some may be going by themselves."""
        for container in self._list(label, value, all=True):
            try:
                self.client.remove_container(container, v=True, force=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise
        if not holds(lambda: not self._list(label, value, all=True), _QUIET_SECONDS):
            raise BenchFailed(f"Containers are not removed within {_QUIET_SECONDS} s.")

    @contextmanager
    def shared_container(self, image: str) -> Iterator[str]:
        """Have a container that runs, and waits for others to be run in it."""
        options = {
            "Image": image,
            "Cmd": ["sh"],
            "OpenStdin": True,
            "Labels": {BENCH_LABEL: f"{self.run_id}-shared"},
        }
        container = self.client.create_container_from_config(options)["Id"]
        try:
            self.client.start(container)
            yield container
        finally:
            self.client.remove_container(container, v=True, force=True)

    def idle_memory(self, containers: Iterable[str]) -> Iterator[IdleMemory]:
        """Yield the memory of containers and their shims, but for those that just end.

        Statistics of one that ends meanwhile are an empty 200, which docker-py can't read.
        """
        ended = (docker.errors.NotFound, JSONDecodeError, FileNotFoundError, ProcessLookupError)
        for container in containers:
            with suppress(*ended):
                yield self._idle_memory(container)

    def _idle_memory(self, container: str) -> IdleMemory:
        starter = int(self.client.inspect_container(container)["State"]["Pid"])
        shim = _parent_of(starter)
        stats = self.client.stats(container, stream=False, one_shot=True)
        return IdleMemory(
            starter_rss=_smaps(starter, "Rss"),
            starter_pss=_smaps(starter, "Pss"),
            shim_rss=_smaps(shim, "Rss"),
            shim_pss=_smaps(shim, "Pss"),
            cgroup=int(stats["memory_stats"]["usage"]),
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def _list_own(self) -> dict[str, str]:
        return self._list(BENCH_LABEL, self.run_id, all=True)

    def _list(self, label: str, value: str, **options: Any) -> dict[str, str]:
        filters = {"label": f"{label}={value}"}
        found = self.client.containers(filters=filters, **options)
        return {one["Id"]: one["State"] for one in found}


def holds(condition: Callable[[], bool], seconds: float) -> bool:
    """Tell whether a condition comes to be true within a time, and stays so for some looks."""
    end, looks = time.monotonic() + seconds, 0
    while looks < _LOOKS:
        if time.monotonic() > end:
            return False
        looks = looks + 1 if condition() else 0
        time.sleep(_LOOK_SECONDS)
    return True


def _parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _smaps(process: int, name: str) -> int:
    """Return one of the sums of a process's memory; see proc(5), smaps_rollup."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
