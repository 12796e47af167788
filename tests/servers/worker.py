"""`funcsvc worker`, as its operator runs it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.servers.process import Server, folder


class WorkerServer(Server):
    """One worker process. `start` may be called again after `kill` or `end`."""

    def start_working(self) -> None:
        """Start, and wait until it takes calls."""
        before = self._starts()
        self.start(lambda: self._starts() > before)

    def _starts(self) -> int:
        return self.log().count("takes calls")


@contextlib.contextmanager
def worker(environment: Mapping[str, str] | None = None, **settings: Any) -> Iterator[WorkerServer]:
    """Run a worker: `redis_url="…"` is FUNCSVC_REDIS_URL. Nothing else of ours reaches it."""
    with folder() as place:
        server = make_worker(place, environment, **settings)
        try:
            server.start_working()
            yield server
        finally:
            server.end()


def make_worker(
    place: Path, environment: Mapping[str, str] | None = None, **settings: Any
) -> WorkerServer:
    """Return a worker that isn't started; it has short leases, so that tests needn't wait."""
    chosen = {"lease_seconds": 3, "worker_grace_seconds": 5, **settings}
    given = {f"FUNCSVC_{name.upper()}": str(value) for name, value in chosen.items()}
    if "docker_host" in chosen:
        given["DOCKER_HOST"] = given.pop("FUNCSVC_DOCKER_HOST")
    passed = {key: text for key, text in os.environ.items() if key.startswith("COVERAGE_")}
    home = {"HOME": str(place), "TMPDIR": str(place), "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "funcsvc", "worker"]
    return WorkerServer(place, command, {**passed, **home, **given, **(environment or {})})
