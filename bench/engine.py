"""The Docker Engine, and the peers that use it without funcsvc.

What the benchmark makes there carries the label of its run, and is removed by that.
"""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from uuid import uuid4

import docker
from docker.utils.socket import frames_iter

from bench import BenchFailed, load
from bench.load import PAYLOAD, TIMEOUT_SECONDS, Run, Times, percentile, timed, work_at_once
from dev.images import SHELL_CHANGES, import_image, remove_image, shell_tar
from dev.servers import wait_until

MAX_CREATES = 1_000
"""How many containers a run makes at the most: each has to be removed again."""

IMAGE = "funcsvc-bench:busybox"
LABEL, SERVICE_LABEL = "funcsvc.bench", "funcsvc.service"
RUNNING, CREATED = "running", "created"

_REST_SECONDS = 0.05
"""What is gone by the engine's word still has a shim that ends."""


class Engine:
    """The engine at a unix socket. `labels` are those of this run's containers."""

    def __init__(self, docker_host: str, run_id: str) -> None:
        if not docker_host.startswith("unix://"):
            raise BenchFailed(f"DOCKER_HOST is {docker_host}, but must be a unix:// socket.")
        self.host = docker_host
        self.labels = {LABEL: run_id}
        self.client = self.make_client()

    def make_client(self) -> docker.APIClient:
        """Return a client for one thread."""
        return docker.APIClient(self.host, version="auto", timeout=TIMEOUT_SECONDS)

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
        container = self.client.create_container_from_config(options)["Id"]
        try:
            self.client.start(container)
            yield container
        finally:
            self.client.remove_container(container, v=True, force=True)

    def states(self, service: str) -> dict[str, str]:
        """Return the containers of a service, each with its state as the engine words it."""
        return self._list({SERVICE_LABEL: service})

    def list_running(self, service: str) -> set[str]:
        return {one for one, state in self.states(service).items() if state == RUNNING}

    def one_waits(self, service: str) -> bool:
        """Tell whether instances wait and no other is made or removed.

        A waiting one has printed nothing; one that was used runs on until it is removed.
        """
        states = self.states(service)
        with suppress(docker.errors.APIError):  # it is just removed
            used = [one for one in states if self.client.logs(one, tail=1)]
            return set(states.values()) == {RUNNING} and not used
        return False

    def wait_until_quiet(self, service: str, left: Collection[str] = ()) -> None:
        """Return when a service only has containers in the states that `left` allows.

        What docker-py or the docker command made is gone by then too.
        """

        def is_quiet() -> bool:
            return {*self.states(service).values()} <= {*left} and not self._list(self.labels)

        wait_until(lambda: stays(is_quiet), "containers are removed", TIMEOUT_SECONDS)
        time.sleep(_REST_SECONDS)

    def remove_all(self, labels: dict[str, str]) -> None:
        """Remove the containers of a label; some may be going by themselves."""
        for container in self._list(labels):
            with suppress(docker.errors.APIError):
                self.client.remove_container(container, v=True, force=True)
        wait_until(lambda: not self._list(labels), "containers are removed", TIMEOUT_SECONDS)

    def _list(self, labels: dict[str, str]) -> dict[str, str]:
        filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
        found = self.client.containers(all=True, filters=filters)
        return {one["Id"]: one["State"] for one in found}

    def create_containers(self, seconds: float) -> Run:
        """Create containers over kept connections, MAX_CREATES at the most; then remove them."""
        body = {"Image": IMAGE, "Cmd": ["echo", "HelloWorld"], "Labels": self.labels}
        path, taken_ms = f"/v{self.client.api_version}/containers/create", list[float]()

        def create(connection: http.client.HTTPConnection) -> None:
            taken_ms.append(load.ask(connection, "POST", path, body).seconds * 1000)

        is_on, has_more = load.for_seconds(seconds), load.for_count(MAX_CREATES)
        start = time.monotonic()
        work_at_once(load.CONNECTIONS, lambda: is_on() and has_more(), self._connect, create)
        elapsed = time.monotonic() - start
        self.remove_all(self.labels)
        return Run(len(taken_ms), elapsed, percentile(taken_ms, 50), percentile(taken_ms, 99))

    @contextmanager
    def _connect(self) -> Iterator[http.client.HTTPConnection]:
        """Give a connection that costs less than docker-py's."""
        with closing(http.client.HTTPConnection("localhost")) as connection:
            connection.auto_open = 0
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(TIMEOUT_SECONDS)
            connection.sock.connect(self.host.removeprefix("unix://"))
            yield connection

    def docker(self, *words: str) -> bytes:
        """Give the docker command the payload; return what it prints."""
        return subprocess.check_output(
            ["docker", *words],
            input=PAYLOAD,
            env={**os.environ, "DOCKER_HOST": self.host},
            timeout=TIMEOUT_SECONDS,
        )

    def run_cat(self, *words: str) -> float:
        """Run `cat` by the docker command; return the milliseconds it took."""
        times: Times = {}
        with timed(times, "cat"):
            output = self.docker(*words, "cat")
        load.check_output(output)
        return times["cat"][0]

    def drive_docker_py(self, options: Mapping[str, Any], seconds: float) -> float:
        """Run containers in as many threads as there are clients; return how many a second."""
        run_container(self.client, options, {})  # warmed up
        start = time.monotonic()
        done = work_at_once(
            load.CLIENTS,
            load.for_seconds(seconds),
            lambda: closing(self.make_client()),
            lambda client: run_container(client, options, {}),
        )
        return done / (time.monotonic() - start)


def run_container(client: docker.APIClient, options: Mapping[str, Any], times: Times) -> None:
    """Run `cat` through docker-py in a container of its own, from beginning to end."""
    name = f"funcsvc-bench-{uuid4().hex}"
    with timed(times, "docker-py: create"):
        client.create_container_from_config(options, name)
    with timed(times, "docker-py: attach"):
        attached = client.attach_socket(name, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    with closing(attached._response), closing(attached._sock):
        with timed(times, "docker-py: start"):
            client.start(name)
        with timed(times, "docker-py: run"):
            attached._sock.sendall(PAYLOAD)
            attached._sock.shutdown(socket.SHUT_WR)
            output = b"".join(data for _, data in frames_iter(attached._sock, tty=False))
    with timed(times, "docker-py: wait"):
        client.wait(name)
    with timed(times, "docker-py: remove"):
        client.remove_container(name, v=True)
    load.check_output(output)


def stays(condition: Callable[[], bool]) -> bool:
    """Tell whether a condition is true at three looks in a row."""
    for _ in range(3):
        if not condition():
            return False
        time.sleep(0.01)
    return True
