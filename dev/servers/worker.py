"""`funcsvc worker`, as its operator runs it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dev.machine.waiting import PATIENCE_SECONDS
from dev.servers.process import Server, running
from dev.servers.service import environment_of

WORKER_COMMAND = [sys.executable, "-m", "funcsvc", "worker"]


class WorkerServer(Server):
    """One worker process. `start` may be called again after `kill` or `end`."""

    def start(
        self, is_ready: Callable[[], Any] | None = None, seconds: float = PATIENCE_SECONDS
    ) -> None:
        before = self._starts()
        super().start(is_ready or (lambda: self._starts() > before), seconds)

    def _starts(self) -> int:
        return self.log().count("takes calls")


def worker(
    environment: Mapping[str, str] | None = None, **settings: Any
) -> AbstractContextManager[WorkerServer]:
    """Run a worker: `redis_url="…"` is FUNCSVC_REDIS_URL. Nothing else of ours reaches it."""
    return running(lambda place: make_worker(place, environment, **settings))


def make_worker(
    place: Path, environment: Mapping[str, str] | None = None, **settings: Any
) -> WorkerServer:
    """Return a worker that isn't started; it has short leases, so that tests needn't wait."""
    chosen = {"lease_seconds": 3, "worker_grace_seconds": 5, **settings}
    given = {**environment_of(place, chosen), **(environment or {})}
    return WorkerServer(place, WORKER_COMMAND, given)
