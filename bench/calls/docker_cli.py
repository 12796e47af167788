"""Peers of a call: `docker run --rm -i IMAGE cat` and `docker exec -i CONTAINER cat`."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

from bench.calls.client import PAYLOAD
from bench.calls.engine import BENCH_LABEL
from bench.runs import BenchFailed

_TIMEOUT_SECONDS = 60


class DockerCli:
    """The docker command on the path, and the image that it runs."""

    def __init__(self, docker_host: str, run_id: str, image: str) -> None:
        found = shutil.which("docker")
        if found is None:
            raise BenchFailed("The docker command isn't installed, and calls are held against it.")
        self._program = found
        self._environment = {**os.environ, "DOCKER_HOST": docker_host}
        self._run = ["run", "--rm", "-i", "--label", f"{BENCH_LABEL}={run_id}", image, "cat"]

    def version(self) -> str:
        """Return the command's version."""
        return self._output("version", "--format", "{{.Client.Version}}").decode().strip()

    def run(self, payload: bytes = PAYLOAD) -> float:
        """Run `cat` in a new container, which is removed; return the milliseconds it took."""
        return self._cat(self._run, payload)

    def exec(self, container: str, payload: bytes = PAYLOAD) -> float:
        """Run `cat` in a container that is there; return the milliseconds it took."""
        return self._cat(["exec", "-i", container, "cat"], payload)

    def _cat(self, arguments: list[str], payload: bytes) -> float:
        start = time.perf_counter()
        output = self._output(*arguments, payload=payload)
        taken_ms = (time.perf_counter() - start) * 1000
        if output != payload:
            raise BenchFailed(f"docker {arguments[0]} gave {output[:100]!r} for the payload.")
        return taken_ms

    def _output(self, *arguments: str, payload: bytes = b"") -> bytes:
        done = subprocess.run(
            [self._program, *arguments],
            check=False,
            input=payload,
            capture_output=True,
            env=self._environment,
            timeout=_TIMEOUT_SECONDS,
        )
        if done.returncode != 0:
            raise BenchFailed(f"docker {arguments[0]} failed: {done.stderr.decode()[-500:]}")
        return done.stdout
