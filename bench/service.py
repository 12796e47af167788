"""A web service under gunicorn and this project's gunicorn.conf.py: funcsvc, or the bare route."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.processes import child, children_of, resident_bytes
from bench.runs import BenchFailed

_START_SECONDS = 30


@dataclass(frozen=True)
class Service:
    """A running service. `master` is gunicorn's own process."""

    application: str
    port: int
    master: int
    headers: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where funcs are created."""
        return f"http://127.0.0.1:{self.port}/funcs/create"

    @property
    def root(self) -> str:
        """What paths are put behind."""
        return f"http://127.0.0.1:{self.port}"

    def create(self, name: str, image: str) -> int:
        """Create the helloworld of the README under a name; return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        definition = {"Name": name, "Config": {"Cmd": ["echo", "HelloWorld"], "Image": image}}
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", "/funcs/create", json.dumps(definition), headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def resident(self) -> dict[int, int]:
        """Return the resident bytes of each worker process, by process id."""
        return {worker: resident_bytes(worker) for worker in children_of(self.master)}


@contextmanager
def serve(
    application: str,
    environment: Mapping[str, str],
    image: str,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Service]:
    """Start a service with default settings, on a port of loopback, and end it.

    `headers` go with every request that `create` makes.

    Its access log is written as always, and thrown away.
    """
    port = _free_port()
    settings = {**environment, "FUNCSVC_BIND": f"127.0.0.1:{port}"}
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", application]
    with (
        tempfile.TemporaryFile("w+") as log,
        child(command, settings, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        service = Service(application, port, process.pid, headers or {})
        try:
            _wait(service, process, image)
            yield service
        except BenchFailed as failure:
            log.seek(0)
            raise BenchFailed(f"{failure}\n{log.read()[-3000:]}".rstrip()) from None


def _wait(service: Service, process: subprocess.Popen[str], image: str) -> None:
    """Wait for the first func that it creates."""
    end = time.monotonic() + _START_SECONDS
    status = None
    while status != 201:
        if process.poll() is not None or time.monotonic() > end:
            raise BenchFailed(f"{service.application} doesn't start (last status: {status}).")
        time.sleep(0.2)
        try:
            status = service.create(f"first-{time.monotonic_ns()}", image)
        except OSError:
            continue


def _free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])
