"""The processes that are measured, a web service and a worker, and what processes hold."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dev.servers import LOOPBACK, WEB_COMMAND, WORKER_COMMAND, Service, WorkerServer, free_port
from dev.servers.process import running


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


def run_worker(
    environment: Mapping[str, str], *, waiting: bool
) -> AbstractContextManager[WorkerServer]:
    """Run a worker with default settings, but without waiting instances unless told."""
    settings = dict(environment) if waiting else {**environment, "FUNCSVC_WAITING_PER_FUNC": "0"}
    return running(lambda place: WorkerServer(place, WORKER_COMMAND, settings))


@dataclass(frozen=True)
class Look:
    """What one process holds; memory in bytes."""

    pid: int
    resident: int
    descriptors: int


def look_at(pid: int) -> Look:
    """Return what a process holds now."""
    return Look(pid, memory_of(pid, "Rss"), len(list(Path(f"/proc/{pid}/fd").iterdir())))


def look_at_web(service: Service) -> dict[str, Look]:
    """Return what each worker process of gunicorn holds, in the order of their ids."""
    pids = enumerate(sorted(service.worker_pids()), 1)
    return {f"web worker {number}": look_at(pid) for number, pid in pids}


def memory_of(pid: int, name: str) -> int:
    """Return one of the sums of a process's memory, in bytes; see proc(5), smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
