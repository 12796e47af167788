"""The Docker Engine as the benchmark sees it: its containers, and itself as a peer of creates.

What the benchmark makes there carries the label of its run, and is removed by that.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count

import docker

from bench import BenchFailed
from bench.load import CONNECTIONS, GoesOn, Run, Stopwatch, for_seconds, in_threads, percentile
from bench.servers import memory_of, parent_of
from dev.images import SHELL_CHANGES, import_image, remove_image, shell_tar
from dev.servers import exchange, wait_until

MAX_CREATES = 1_000
"""How many containers a run makes at the most: each has to be removed again."""

IMAGE = "funcsvc-bench:busybox"
LABEL, SERVICE_LABEL = "funcsvc.bench", "funcsvc.service"
RUNNING, CREATED = "running", "created"

_TIMEOUT_SECONDS = 60
_LOOKS, _LOOK_SECONDS = 3, 0.01
_REST_SECONDS = 0.05
"""What is gone by the engine's word still has a shim that ends."""


class Engine:
    """The engine at a unix socket. `labels` are those of this run's containers."""

    def __init__(self, docker_host: str, run_id: str) -> None:
        if not docker_host.startswith("unix://"):
            raise BenchFailed(f"DOCKER_HOST is {docker_host}, but must be a unix:// socket.")
        self.host = docker_host
        self.labels = {LABEL: run_id}
        try:
            self._client = self.make_client()
        except docker.errors.DockerException as error:
            raise BenchFailed(f"No Docker Engine answers at {docker_host}: {error}") from None

    def make_client(self) -> docker.APIClient:
        """Return a client for one thread."""
        return docker.APIClient(self.host, version="auto", timeout=_TIMEOUT_SECONDS)

    def version(self) -> str:
        return str(self._client.version()["Version"])

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def image(self) -> Iterator[None]:
        """Have the image that everything is made of, and remove it at the end."""
        import_image(self.host, IMAGE, shell_tar(), SHELL_CHANGES)
        try:
            yield
        finally:
            self.remove_all(self.labels)
            remove_image(self.host, IMAGE)

    @contextmanager
    def shared_container(self) -> Iterator[str]:
        """Have a container that runs, and waits for others to be run in it."""
        options = {"Image": IMAGE, "Cmd": ["sh"], "OpenStdin": True, "Labels": {LABEL: "shared"}}
        container = self._client.create_container_from_config(options)["Id"]
        try:
            self._client.start(container)
            yield container
        finally:
            self._client.remove_container(container, v=True, force=True)

    def create_containers(self, seconds: float) -> Run:
        """Create containers over all connections, MAX_CREATES at the most; then remove them."""
        numbers, start, is_on = count(), time.monotonic(), for_seconds(seconds)
        parts = in_threads(
            CONNECTIONS, lambda: is_on() and next(numbers) < MAX_CREATES, self._create_containers
        )
        elapsed = time.monotonic() - start
        self.remove_all(self.labels)
        taken_ms = [ms for part in parts for ms in part]
        return Run(len(taken_ms), elapsed, percentile(taken_ms, 50), percentile(taken_ms, 99))

    def _create_containers(self, goes_on: GoesOn) -> list[float]:
        """Return the milliseconds of each create, over a connection that costs little."""
        body = {"Image": IMAGE, "Cmd": ["echo", "HelloWorld"], "Labels": self.labels}
        path, watch = f"/v{self._client.api_version}/containers/create", Stopwatch()
        with closing(http.client.HTTPConnection("localhost")) as connection:
            connection.auto_open = 0
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(_TIMEOUT_SECONDS)
            connection.sock.connect(self.host.removeprefix("unix://"))
            while goes_on():
                with watch.stage("create"):
                    answer = exchange(connection, "POST", path, body)
                if answer.status != 201:
                    raise BenchFailed(f"A create of the engine's own gave {answer}.")
        return watch.taken_ms["create"]

    def states(self, service: str) -> dict[str, str]:
        """Return the containers of a service, each with its state as the engine words it."""
        return self._list({SERVICE_LABEL: service})

    def list_running(self, service: str) -> set[str]:
        return {one for one, state in self.states(service).items() if state == RUNNING}

    def wait_until_quiet(self, service: str, left: Collection[str] = ()) -> None:
        """Return when a service has no container but in the states that may be `left`.

        What docker-py or the docker command made is gone by then too.
        """

        def is_quiet() -> bool:
            return {*self.states(service).values()} <= {*left} and not self._list(self.labels)

        wait_until(lambda: stays(is_quiet), "containers are removed", _TIMEOUT_SECONDS)
        time.sleep(_REST_SECONDS)

    def remove_all(self, labels: dict[str, str]) -> None:
        """Remove the containers of a label; some may be going by themselves."""
        for container in self._list(labels):
            with suppress(docker.errors.APIError):
                self._client.remove_container(container, v=True, force=True)
        wait_until(lambda: not self._list(labels), "containers are removed", _TIMEOUT_SECONDS)

    def idle_memory(self, container: str) -> dict[str, int]:
        """Return the bytes that a waiting instance and its shim take."""
        starter = int(self._client.inspect_container(container)["State"]["Pid"])
        stats = self._client.stats(container, stream=False, one_shot=True)
        taken = {
            f"{who}, {what.upper()}": memory_of(pid, what)
            for who, pid in (("starter", starter), ("shim", parent_of(starter)))
            for what in ("Rss", "Pss")
        }
        return {**taken, "cgroup": int(stats["memory_stats"]["usage"])}

    def _list(self, labels: dict[str, str]) -> dict[str, str]:
        filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
        found = self._client.containers(all=True, filters=filters)
        return {one["Id"]: one["State"] for one in found}


def stays(condition: Callable[[], bool]) -> bool:
    """Tell whether a condition is true at some looks in a row."""
    for _ in range(_LOOKS):
        if not condition():
            return False
        time.sleep(_LOOK_SECONDS)
    return True
