"""A `funcsvc worker` of the benchmark's own, with or without waiting instances."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from bench.processes import child
from bench.redis_data import RedisData
from bench.runs import BenchFailed

_START_SECONDS = 60
_LOG_SECONDS = 0.1
_READY, _MET = "takes calls", "in a waiting instance"


@dataclass(frozen=True)
class Worker:
    """A running worker. `service` is what its containers are labelled with."""

    process: int
    service: str
    log: IO[str]

    def count_met(self) -> int:
        """Return how many calls met a waiting instance so far, by the worker's own log.

        The line comes after the answer.
        """
        time.sleep(_LOG_SECONDS)
        return _text(self.log).count(_MET)


@contextmanager
def run_worker(
    environment: Mapping[str, str], data: RedisData, *, waiting: bool
) -> Iterator[Worker]:
    """Start a worker with default settings, and end it; without waiting instances unless told."""
    settings = dict(environment)
    if not waiting:
        settings["FUNCSVC_WAITING_PER_FUNC"] = "0"
    command = [sys.executable, "-m", "funcsvc", "worker"]
    with (
        tempfile.TemporaryFile("w+") as log,
        child(command, settings, stdout=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            _wait(process, log)
            yield Worker(process.pid, data.service(), log)
        except BenchFailed as failure:
            raise BenchFailed(f"{failure}\n{_text(log)[-3000:]}".rstrip()) from None


def _wait(process: subprocess.Popen[str], log: IO[str]) -> None:
    end = time.monotonic() + _START_SECONDS
    while _READY not in _text(log):
        if process.poll() is not None or time.monotonic() > end:
            raise BenchFailed("The worker doesn't start.")
        time.sleep(0.05)


def _text(log: IO[str]) -> str:
    """Return what is in the log so far, without moving the place that the worker writes at."""
    with open(f"/proc/self/fd/{log.fileno()}") as again:
        return again.read()
