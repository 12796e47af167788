"""Peers of a call: the docker command, and the same containers driven through docker-py."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from uuid import uuid4

import docker

from bench import BenchFailed
from bench.engine import IMAGE, Engine
from bench.load import CLIENTS, PAYLOAD, GoesOn, Stopwatch, count_while, for_seconds, in_threads

_READ_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 60


class DockerCommand:
    """The docker command on the path."""

    def __init__(self, engine: Engine) -> None:
        self._program = shutil.which("docker") or ""
        if not self._program:
            raise BenchFailed("The docker command isn't installed, and calls are held against it.")
        self._environment = {**os.environ, "DOCKER_HOST": engine.host}
        self._labels = [f"--label={name}={value}" for name, value in engine.labels.items()]

    def version(self) -> str:
        return self._output("version", "--format", "{{.Client.Version}}").decode().strip()

    def run(self) -> float:
        """Run `cat` in a new container, which is removed; return the milliseconds it took."""
        return self._cat("run", "--rm", "-i", *self._labels, IMAGE, "cat")

    def exec(self, container: str) -> float:
        """Run `cat` in a container that is there; return the milliseconds it took."""
        return self._cat("exec", "-i", container, "cat")

    def _cat(self, *arguments: str) -> float:
        start = time.perf_counter()
        output = self._output(*arguments)
        taken_ms = (time.perf_counter() - start) * 1000
        if output != PAYLOAD:
            raise BenchFailed(f"docker {arguments[0]} gave {output[:100]!r} for the payload.")
        return taken_ms

    def _output(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [self._program, *arguments],
            check=False,
            input=PAYLOAD,
            capture_output=True,
            env=self._environment,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise BenchFailed(f"docker {arguments[0]} failed: {done.stderr.decode()[-500:]}")
        return done.stdout


def drive_docker_py(engine: Engine, options: Mapping[str, Any], seconds: float) -> float:
    """Run containers in as many threads as there are clients; return how many a second."""

    def run_containers(goes_on: GoesOn) -> int:
        with closing(engine.make_client()) as client:
            return count_while(goes_on, lambda: run_container(client, options, Stopwatch()))

    in_threads(1, iter([True, False]).__next__, run_containers)  # warmed up
    start = time.monotonic()
    done = sum(in_threads(CLIENTS, for_seconds(seconds), run_containers))
    return done / (time.monotonic() - start)


def run_container(client: docker.APIClient, options: Mapping[str, Any], watch: Stopwatch) -> None:
    """Run `cat` in a container of its own from beginning to end; raises BenchFailed."""
    name = f"funcsvc-bench-{uuid4().hex}"
    with watch.stage("docker-py: create"):
        client.create_container_from_config(options, name)
    with watch.stage("docker-py: attach"):
        attached = client.attach_socket(name, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    with closing(attached._response), closing(attached._sock):
        with watch.stage("docker-py: start"):
            client.start(name)
        with watch.stage("docker-py: run"):
            output = _exchange(attached._sock)
    with watch.stage("docker-py: wait"):
        status = client.wait(name)["StatusCode"]
    with watch.stage("docker-py: remove"):
        client.remove_container(name, v=True)
    if output != PAYLOAD or status != 0:
        raise BenchFailed(f"A container of docker-py ended with {status}, and gave {output!r}.")


def _exchange(attached: socket.socket) -> bytes:
    """Send all of the input and its end, and return all of the output."""
    attached.settimeout(_TIMEOUT_SECONDS)
    attached.sendall(PAYLOAD)
    attached.shutdown(socket.SHUT_WR)
    received, output = b"".join(iter(lambda: attached.recv(_READ_BYTES), b"")), b""
    while received:  # frames: a header of eight bytes, whose last four are the size
        end = 8 + int.from_bytes(received[4:8], "big")
        output, received = output + received[8:end], received[end:]
    return output
