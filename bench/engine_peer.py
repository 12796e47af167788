"""Peer (b): the Docker Engine's own POST /containers/create, over its unix socket.

Its containers are labelled with this run and removed by that label; none is ever started.
"""

from __future__ import annotations

import http.client
import io
import json
import shutil
import socket
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import docker

from bench.runs import CONNECTIONS, BenchFailed, Run, percentile

MAX_CREATES = 1_000
"""How many containers a run makes at the most: each has to be removed again."""

_REPOSITORY, _TAG = "funcsvc-bench", "busybox-cat"
IMAGE = f"{_REPOSITORY}:{_TAG}"
_LABEL = "funcsvc.bench"
_TIMEOUT_SECONDS = 60


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class EnginePeer:
    """The engine at a unix socket; its containers carry the label of this run."""

    def __init__(self, docker_host: str, run_id: str) -> None:
        if not docker_host.startswith("unix://"):
            raise BenchFailed(f"DOCKER_HOST is {docker_host}, but must be a unix:// socket.")
        self._path = docker_host.removeprefix("unix://")
        self._label = f"{_LABEL}={run_id}"
        try:
            self._client = docker.APIClient(docker_host, version="auto", timeout=_TIMEOUT_SECONDS)
        except docker.errors.DockerException as error:
            raise BenchFailed(f"No Docker Engine answers at {docker_host}: {error}") from None

    def version(self) -> str:
        """Return the engine's version."""
        return str(self._client.version()["Version"])

    @contextmanager
    def image(self) -> Iterator[str]:
        """Have the image that everything is created from, and remove it at the end."""
        if not self._client.images(IMAGE):
            self._client.import_image_from_data(
                _image_tar(), repository=_REPOSITORY, tag=_TAG, changes=['CMD ["sh"]']
            )
        try:
            yield IMAGE
        finally:
            self.remove_containers()
            self._client.remove_image(IMAGE)

    def run(self, seconds: float) -> Run:
        """Create containers for some seconds, MAX_CREATES at the most; they stay."""
        numbers, stop = count(), Event()
        start = time.monotonic()

        def work(_: int) -> list[float]:
            connection = UnixConnection(self._path)
            taken = []
            while not stop.is_set() and next(numbers) < MAX_CREATES and _left(start, seconds):
                taken.append(self._create(connection))
            connection.close()
            return taken

        with _pool(stop) as pool:
            taken_ms = sorted(ms for part in pool.map(work, range(CONNECTIONS)) for ms in part)
        elapsed = time.monotonic() - start
        return Run(len(taken_ms), elapsed, percentile(taken_ms, 50), percentile(taken_ms, 99))

    def remove_containers(self) -> None:
        """Remove this run's containers."""
        found = self._client.containers(all=True, quiet=True, filters={"label": self._label})
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(self._remove, [container["Id"] for container in found]))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _create(self, connection: UnixConnection) -> float:
        """Create a container and return the milliseconds it took."""
        name, _, value = self._label.partition("=")
        body = {"Image": IMAGE, "Cmd": ["echo", "HelloWorld"], "Labels": {name: value}}
        start = time.monotonic()
        status, text = self._ask(connection, "POST", "containers/create", body)
        if status != 201:
            raise BenchFailed(f"The engine answered {status} to a create: {text[:200]}")
        return (time.monotonic() - start) * 1000

    def _remove(self, container: str) -> None:
        connection = UnixConnection(self._path)
        self._ask(connection, "DELETE", f"containers/{container}?force=1")
        connection.close()

    def _ask(
        self, connection: UnixConnection, method: str, path: str, body: Any = None
    ) -> tuple[int, str]:
        text = json.dumps(body) if body else None
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, f"/v{self._client.api_version}/{path}", text, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextmanager
def _pool(stop: Event) -> Iterator[ThreadPoolExecutor]:
    """Have threads that end soon when this one is interrupted."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        try:
            yield pool
        finally:
            stop.set()


def _left(start: float, seconds: float) -> bool:
    return time.monotonic() - start < seconds


def _image_tar() -> bytes:
    """Return a root file system of one file, and a link to it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise BenchFailed("busybox isn't installed, and the image is made of it.")
    content = Path(busybox).read_bytes()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("bin/sh")
        member.size, member.mode = len(content), 0o755
        tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("bin/cat")
        link.type, link.linkname = tarfile.SYMTYPE, "sh"
        tar.addfile(link)
    return file.getvalue()
