"""The Docker Engine as the benchmark sees it: its containers, and itself as a peer of creates.

What the benchmark makes there carries the label of its run, and is removed by that.
"""

from __future__ import annotations

import http.client
import io
import json
import shutil
import socket
import tarfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import docker
from requests.exceptions import JSONDecodeError

from bench import BenchFailed
from bench.load import CONNECTIONS, Run, for_seconds, in_threads, percentile
from bench.servers import parent_of, smaps_bytes, wait_until

MAX_CREATES = 1_000
"""How many containers a run makes at the most: each has to be removed again."""

BENCH_LABEL = "funcsvc.bench"
SERVICE_LABEL = "funcsvc.service"
RUNNING, CREATED = "running", "created"

_REPOSITORY, _TAG = "funcsvc-bench", "busybox-cat"
_TIMEOUT_SECONDS = 60
_REST_SECONDS = 0.05
"""What is gone by the engine's word still has a shim that ends."""


class Engine:
    """The engine at a unix socket. `labels` are those of this run's containers."""

    def __init__(self, docker_host: str, run_id: str) -> None:
        if not docker_host.startswith("unix://"):
            raise BenchFailed(f"DOCKER_HOST is {docker_host}, but must be a unix:// socket.")
        self.host = docker_host
        self.labels = {BENCH_LABEL: run_id}
        try:
            self._client = self.make_client()
        except docker.errors.DockerException as error:
            raise BenchFailed(f"No Docker Engine answers at {docker_host}: {error}") from None

    def make_client(self) -> docker.APIClient:
        """Return a client for one thread."""
        return docker.APIClient(self.host, version="auto", timeout=_TIMEOUT_SECONDS)

    def version(self) -> str:
        """Return the engine's version."""
        return str(self._client.version()["Version"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def image(self) -> Iterator[str]:
        """Have the image that everything is made of, and remove it at the end."""
        image = f"{_REPOSITORY}:{_TAG}"
        if not self._client.images(image):
            self._client.import_image_from_data(
                _image_tar(), repository=_REPOSITORY, tag=_TAG, changes=['CMD ["sh"]']
            )
        try:
            yield image
        finally:
            self.remove_all(self.labels)
            self._client.remove_image(image)

    @contextmanager
    def shared_container(self, image: str) -> Iterator[str]:
        """Have a container that runs, and waits for others to be run in it."""
        labels = {BENCH_LABEL: f"{self.labels[BENCH_LABEL]}-shared"}  # not one of those that go
        options = {"Image": image, "Cmd": ["sh"], "OpenStdin": True, "Labels": labels}
        container = self._client.create_container_from_config(options)["Id"]
        try:
            self._client.start(container)
            yield container
        finally:
            self._client.remove_container(container, v=True, force=True)

    def create_containers(self, image: str, seconds: float) -> Run:
        """Create containers over all connections, MAX_CREATES at the most; then remove them."""
        numbers, start, is_on = count(), time.monotonic(), for_seconds(seconds)
        parts = in_threads(
            CONNECTIONS,
            lambda: is_on() and next(numbers) < MAX_CREATES,
            lambda goes_on: self._create_again_and_again(image, goes_on),
        )
        elapsed = time.monotonic() - start
        self.remove_all(self.labels)
        taken_ms = [ms for part in parts for ms in part]
        return Run(len(taken_ms), elapsed, percentile(taken_ms, 50), percentile(taken_ms, 99))

    def states(self, service: str) -> dict[str, str]:
        """Return the containers of a service, each with its state as the engine words it."""
        return self._list({SERVICE_LABEL: service})

    def list_running(self, service: str) -> set[str]:
        """Return the containers of a service that run."""
        return {one for one, state in self.states(service).items() if state == RUNNING}

    def wait_until_quiet(self, service: str, left: Collection[str] = ()) -> None:
        """Return when a service has no container but in the states that may be `left`.

        What docker-py or the docker command made is gone by then too. Raises BenchFailed.
        """

        def is_quiet() -> bool:
            return {*self.states(service).values()} <= {*left} and not self._list(self.labels)

        wait_until(is_quiet, "the containers are removed", looks=3)
        time.sleep(_REST_SECONDS)

    def remove_all(self, labels: dict[str, str]) -> None:
        """Remove the containers of a label; some may be going by themselves."""
        left = [*self._list(labels)]

        def remove(goes_on: Callable[[], bool]) -> None:
            with closing(self._connect()) as connection, suppress(IndexError):
                while goes_on():
                    self._ask(connection, "DELETE", f"containers/{left.pop()}?force=1&v=1")

        in_threads(CONNECTIONS, lambda: True, remove)
        wait_until(lambda: not self._list(labels), "the containers are removed", looks=3)

    def idle_memory(self, containers: Iterable[str]) -> Iterator[dict[str, int]]:
        """Yield the bytes that waiting instances and their shims take, but for those that just end.

        Statistics of one that ends meanwhile are an empty 200, which docker-py can't read.
        """
        ended = (docker.errors.NotFound, JSONDecodeError, FileNotFoundError, ProcessLookupError)
        for container in containers:
            with suppress(*ended):
                yield self._idle_memory(container)

    def _idle_memory(self, container: str) -> dict[str, int]:
        starter = int(self._client.inspect_container(container)["State"]["Pid"])
        shim = parent_of(starter)
        stats = self._client.stats(container, stream=False, one_shot=True)
        return {
            "starter, RSS": smaps_bytes(starter, "Rss"),
            "starter, PSS": smaps_bytes(starter, "Pss"),
            "shim, RSS": smaps_bytes(shim, "Rss"),
            "shim, PSS": smaps_bytes(shim, "Pss"),
            "cgroup": int(stats["memory_stats"]["usage"]),
        }

    def _list(self, labels: dict[str, str]) -> dict[str, str]:
        filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
        found = self._client.containers(all=True, filters=filters)
        return {one["Id"]: one["State"] for one in found}

    def _create_again_and_again(self, image: str, goes_on: Callable[[], bool]) -> list[float]:
        """Return the milliseconds that each create took."""
        body = {"Image": image, "Cmd": ["echo", "HelloWorld"], "Labels": self.labels}
        taken_ms = []
        with closing(self._connect()) as connection:
            while goes_on():
                start = time.monotonic()
                status, text = self._ask(connection, "POST", "containers/create", body)
                taken_ms.append((time.monotonic() - start) * 1000)
                if status != 201:
                    raise BenchFailed(f"The engine answered {status} to a create: {text[:200]!r}")
        return taken_ms

    def _connect(self) -> http.client.HTTPConnection:
        """Return a connection that costs less than docker-py's."""
        connection = http.client.HTTPConnection("localhost")
        connection.auto_open = 0
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(_TIMEOUT_SECONDS)
        connection.sock.connect(self.host.removeprefix("unix://"))
        return connection

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
    ) -> tuple[int, bytes]:
        text = json.dumps(body) if body else None
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(method, f"/v{self._client.api_version}/{path}", text, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


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
