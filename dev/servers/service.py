"""The service itself, as its operator runs it: gunicorn with its own configuration file."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.machine.processes import children_of
from dev.machine.waiting import PATIENCE_SECONDS, wait_until
from dev.servers.process import LOOPBACK, Server, free_port, running

WEB_COMMAND = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]


@dataclass(frozen=True)
class Answer:
    """What an HTTP server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service(Server):
    """gunicorn with the service, as its operator runs it."""

    def __init__(self, place: Path, port: int, environment: Mapping[str, str]) -> None:
        self.port = port
        super().__init__(place, WEB_COMMAND, environment)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def connection(self, timeout: float = PATIENCE_SECONDS) -> Any:
        """Give one connection to the service, for requests one after the other."""
        return contextlib.closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=timeout))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = PATIENCE_SECONDS,
    ) -> Answer:
        """Send one request over a connection of its own; a body that isn't bytes goes as JSON."""
        with self.connection(timeout) as connection:
            return exchange(connection, method, path, body, headers)

    def create(
        self, name: str, image: str, timeout: float = PATIENCE_SECONDS, **fields: Any
    ) -> Answer:
        """Create a func that runs `echo HelloWorld`."""
        config = {"Cmd": ["echo", "HelloWorld"], "Image": image, **fields.pop("Config", {})}
        body = {"Name": name, "Config": config, **fields}
        return self.request("POST", "/funcs/create", body, timeout=timeout)

    def readiness(self, message: str | None = None) -> Answer:
        """Wait until /readyz says this message, or that all is ready: it remembers for a second."""
        expected = {"message": message} if message else {"status": "ready"}

        def said() -> Answer | None:
            answer = self.request("GET", "/readyz")
            return answer if answer.json == expected else None

        answer = wait_until(said, f"/readyz says {expected}")
        assert answer is not None
        return answer

    def access_lines(self) -> list[dict[str, Any]]:
        """Return the lines of the access log."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def worker_pids(self) -> list[int]:
        """Return the pids of the worker processes."""
        return children_of(self.pid)

    def answers(self) -> bool:
        return self.is_healthy()

    def is_healthy(self) -> bool:
        """Tell whether the service lives."""
        try:
            return self.request("GET", "/healthz", timeout=5).status == 200
        except (OSError, http.client.HTTPException):
            return False


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request over a connection and read its answer."""
    given = {"Content-Type": "application/json"} if body is not None else {}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    start = time.monotonic()
    connection.request(method, path, data, {**given, **(headers or {})})
    response = connection.getresponse()
    content = response.read()
    return Answer(response.status, response.headers, content, time.monotonic() - start)


def exchange_over_unix_socket(path: Path, method: str, target: str) -> Answer:
    """Send one request without a body over a unix socket and read its answer."""
    with contextlib.closing(http.client.HTTPConnection("localhost", timeout=30)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(str(path))
        return exchange(connection, method, target)


def service(
    environment: Mapping[str, str] | None = None, **settings: Any
) -> AbstractContextManager[Service]:
    """Run the service: `redis_url="…"` is FUNCSVC_REDIS_URL. Nothing else of ours reaches it."""
    return running(lambda place: make_service(place, environment, **settings))


def make_service(
    place: Path, environment: Mapping[str, str] | None = None, **settings: Any
) -> Service:
    """Return a service that isn't started, with a home and temporary files in a folder."""
    port = free_port()
    chosen = {"bind": f"{LOOPBACK}:{port}", "workers": 1, "threads": 16, **settings}
    return Service(place, port, {**environment_of(place, chosen), **(environment or {})})


def environment_of(place: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a process of the service; nothing else of ours reaches it."""
    given = {f"FUNCSVC_{name.upper()}": str(value) for name, value in settings.items()}
    if "docker_host" in settings:
        given["DOCKER_HOST"] = given.pop("FUNCSVC_DOCKER_HOST")
    passed = {key: text for key, text in os.environ.items() if key.startswith("COVERAGE_")}
    home = {"HOME": str(place), "TMPDIR": str(place), "LANG": "C.UTF-8"}
    return {**passed, **home, **given}
