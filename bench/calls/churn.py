"""Peer of calls by the second: the same containers driven straight through docker-py.

A program of its own: create, attach, start, the bytes in and out, wait, remove, in several threads.
It gets an `Order` as JSON, and prints what became of it.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import docker

from bench.calls.client import PAYLOAD
from bench.calls.engine import BENCH_LABEL
from bench.calls.stopwatch import Stopwatch
from bench.runs import BenchFailed
from funcsvc.config import load_settings
from funcsvc.engine.containers.options import Wanted, container_options
from funcsvc.engine.containers.streams import Demultiplexer
from funcsvc.model import (
    DEFAULT_SIZE,
    DEFAULT_TIMEOUT_SECONDS,
    SIZES,
    Capacity,
    Config,
    Func,
    HostConfig,
    Image,
    parse_image_reference,
)

STAGES = ("create", "attach", "start", "run", "wait", "remove")
_READ_BYTES = 256 * 1024
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Order:
    """What is to be done: `threads` run containers of `options` for `seconds`."""

    docker_host: str
    options: dict[str, Any]
    threads: int
    seconds: float

    def command(self) -> list[str]:
        """Return the program that does it."""
        return [sys.executable, "-m", "bench.calls.churn", json.dumps(asdict(self))]


def same_options(image: str, run_id: str) -> dict[str, Any]:
    """Return what funcsvc creates a call's container with, with `cat` in the starter's place."""
    reference = parse_image_reference(image)
    func = Func(
        name="cat",
        size=SIZES[DEFAULT_SIZE],
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS,
        uuid="",
        created=datetime.now(UTC),
        config=Config(reference),
        host_config=HostConfig(),
    )
    wanted = Wanted(
        func=func,
        image=Image(image, (), ()),
        capacity=Capacity(1, SIZES[DEFAULT_SIZE].memory_bytes),
        settings=load_settings({}),
        starter_volume="",
        labels={BENCH_LABEL: run_id},
    )
    options = container_options(wanted)
    del options["Entrypoint"], options["HostConfig"]["Mounts"]
    return {**options, "Cmd": ["cat"]}


def run_container(client: docker.APIClient, options: dict[str, Any], watch: Stopwatch) -> None:
    """Run `cat` in a container of its own from beginning to end; raises BenchFailed."""
    name = f"funcsvc-bench-{uuid4().hex}"
    with watch.stage("create"):
        client.create_container_from_config(options, name)
    with watch.stage("attach"):
        attached = _Attached(client, name)
    with closing(attached):
        with watch.stage("start"):
            client.start(name)
        with watch.stage("run"):
            output = attached.exchange(PAYLOAD)
    with watch.stage("wait"):
        status = client.wait(name)["StatusCode"]
    with watch.stage("remove"):
        client.remove_container(name, v=True)
    if output != PAYLOAD or status != 0:
        raise BenchFailed(f"A container of docker-py ended with {status}, and gave {output!r}.")


class _Attached:
    """The streams of a container."""

    def __init__(self, client: docker.APIClient, name: str) -> None:
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        self._attached: Any = client.attach_socket(name, params)
        self._socket: socket.socket = self._attached._sock
        self._socket.settimeout(_TIMEOUT_SECONDS)

    def exchange(self, payload: bytes) -> bytes:
        """Send all of the input and its end, and return all of the output."""
        self._socket.sendall(payload)
        self._socket.shutdown(socket.SHUT_WR)
        frames, output = Demultiplexer(), bytearray()
        while data := self._socket.recv(_READ_BYTES):
            for _, content in frames.feed(data):
                output += content
        return bytes(output)

    def close(self) -> None:
        self._socket.close()
        self._attached._response.close()


def make_client(docker_host: str) -> docker.APIClient:
    """Return a client for one thread."""
    return docker.APIClient(docker_host, version="auto", timeout=_TIMEOUT_SECONDS)


def _work(order: Order, end: float) -> int:
    done = 0
    with closing(make_client(order.docker_host)) as client:
        while time.monotonic() < end:
            run_container(client, order.options, Stopwatch())
            done += 1
    return done


def main() -> None:
    """Carry an order out."""
    order = Order(**json.loads(sys.argv[1]))
    with closing(make_client(order.docker_host)) as client:
        run_container(client, order.options, Stopwatch())  # warmed up
    start = time.monotonic()
    with ThreadPoolExecutor(order.threads) as pool:
        ends = [start + order.seconds] * order.threads
        done = sum(pool.map(_work, [order] * order.threads, ends))
    print(json.dumps({"calls": done, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    main()
