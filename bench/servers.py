"""The processes that are measured, a service under gunicorn and a worker, and what they hold."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import BenchFailed

ROOT = Path(__file__).parent.parent
_START_SECONDS, _END_SECONDS = 60, 10


class Server:
    """A process that runs. Only what it prints as errors and log is kept."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._log_file = log_file

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def log(self) -> str:
        """Return what it has logged so far."""
        return self._log_file.read_text(errors="replace")


@dataclass(frozen=True)
class Service:
    """A web service: funcsvc, or the bare route. `headers` go with every func that it creates."""

    pid: int
    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """What paths are put behind."""
        return f"http://127.0.0.1:{self.port}"

    def create(self, name: str, image: str, command: Sequence[str]) -> tuple[int, Any]:
        """Create a func; return the status and the document."""
        definition = {"Name": name, "Config": {"Cmd": command, "Image": image}}
        headers = {"Content-Type": "application/json", **self.headers}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("POST", "/funcs/create", json.dumps(definition), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


@contextmanager
def serve(
    application: str, environment: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Serve an application with this project's gunicorn.conf.py and default settings.

    Its access log is written as always, and thrown away.
    """
    port = free_port()
    settings = {**environment, "FUNCSVC_BIND": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", application]
    with _start(command, settings, lambda _: _answers(port)) as server:
        yield Service(server.pid, port, headers or {})


@contextmanager
def run_worker(environment: Mapping[str, str], *, waiting: bool) -> Iterator[Server]:
    """Run a worker with default settings, but without waiting instances unless told."""
    settings = dict(environment) if waiting else {**environment, "FUNCSVC_WAITING_PER_FUNC": "0"}
    command = [sys.executable, "-m", "funcsvc", "worker"]
    with _start(command, settings, lambda server: "takes calls" in server.log()) as server:
        yield server


@contextmanager
def _start(
    command: Sequence[str], environment: Mapping[str, str], is_ready: Callable[[Server], bool]
) -> Iterator[Server]:
    """Start a process, wait until it is ready, and end it; its log goes with a failure."""
    with tempfile.NamedTemporaryFile(prefix="funcsvc-bench-") as log:
        # In a process group of its own: Ctrl-C comes to this process alone, which ends it.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            process_group=0,
        )
        server = Server(process, Path(log.name))
        try:
            wait_until(lambda: server.has_ended or is_ready(server), "a process starts")
            if server.has_ended:
                raise BenchFailed(f"{command[2]} ended while it was starting.")
            yield server
        except BenchFailed as failure:
            raise BenchFailed(f"{failure}\n{server.log()[-3000:]}".rstrip()) from None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    """Tell whether anything is answered over HTTP."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status > 0
        except (OSError, http.client.HTTPException):
            return False


def wait_until(
    condition: Callable[[], bool], what: str, seconds: float = _START_SECONDS, looks: int = 1
) -> None:
    """Return when a condition has held for some looks in a row; raises BenchFailed."""
    end, held = time.monotonic() + seconds, 0
    while held < looks:
        if time.monotonic() > end:
            raise BenchFailed(f"Not within {seconds:g} seconds: {what}.")
        held = held + 1 if condition() else 0
        time.sleep(0.01)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


@dataclass(frozen=True)
class Look:
    """What one process holds."""

    pid: int
    resident: int
    descriptors: int


def look_at(pid: int) -> Look:
    """Return what a process holds now."""
    return Look(pid, smaps_bytes(pid, "Rss"), len(list(Path(f"/proc/{pid}/fd").iterdir())))


def look_at_workers(service: Service) -> dict[str, Look]:
    """Return what each worker process of gunicorn holds, by name, in the order of their ids."""
    pids = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
    ordered = enumerate(sorted(map(int, pids)), 1)
    return {f"web worker {number}": look_at(pid) for number, pid in ordered}


def smaps_bytes(pid: int, name: str) -> int:
    """Return one of the sums of a process's memory; see proc(5), smaps_rollup."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def parent_of(pid: int) -> int:
    """Return the process that a process is a child of."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
