"""The measuring: rounds in which every contender has its turn, memory beside them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

from bench.engine_peer import EnginePeer
from bench.load import run_load
from bench.redis_data import FILL, Memory, RedisData, Sample, fill_name
from bench.runs import CONNECTIONS, BenchFailed, Run, interleave
from bench.service import Service

EMPTY, BARE, ENGINE, FULL = "funcsvc", "bare route", "engine", f"funcsvc, {FILL:,} stored"
CONTENDERS = (EMPTY, BARE, ENGINE, FULL)

ENOUGH_REQUESTS = 100_000
"""How many requests lie between the two looks at a worker's memory, at the least."""

_MAX_MORE_RUNS = 10
_UNDERWAY_SECONDS = 0.5
_REST_SECONDS = 2
"""What went before a run, the removal of containers or a fill, ends its work on the disk."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    enough_requests: int


@dataclass
class Results:
    """What was measured. Resident memory is in bytes, by worker process id."""

    runs: dict[str, list[Run]] = field(default_factory=lambda: {name: [] for name in CONTENDERS})
    redis: Memory = field(default_factory=lambda: Memory(0, 0))
    resident_before: dict[int, int] = field(default_factory=dict)
    resident_after: dict[int, int] = field(default_factory=dict)
    requests_between: int = 0


class Bench:
    """The contenders, and what it takes to give each of them a run."""

    def __init__(
        self, plan: Plan, service: Service, bare: Service, peer: EnginePeer, data: RedisData
    ) -> None:
        self._plan = plan
        self._service = service
        self._bare = bare
        self._peer = peer
        self._data = data
        self._image = ""
        self._run_number = 0
        self._results = Results()

    def measure(self, image: str) -> Results:
        """Measure everything; raises BenchFailed at the first wrong answer."""
        self._image = image
        results = self._results
        sample = self._sample()
        results.redis = self._data.memory(sample)
        self._data.clear()
        self._warm_up()
        results.resident_before = self._service.resident()
        for name in interleave(CONTENDERS, self._plan.rounds):
            results.runs[name].append(self._turn(name, sample))
        self._load_more()
        results.resident_after = self._service.resident()
        if results.resident_before.keys() != results.resident_after.keys():
            raise BenchFailed("A worker process of funcsvc was replaced by another in between.")
        return results

    def _sample(self) -> Sample:
        return take_sample(self._service, self._data, self._image)

    def _warm_up(self) -> None:
        """Let every thread and connection come to be, before anything counts."""
        for service in (self._bare, self._service):
            self._load(service, min(self._plan.seconds, 3))

    def _turn(self, name: str, sample: Sample) -> Run:
        if name == ENGINE:
            time.sleep(_REST_SECONDS)
            run = self._peer.run(self._plan.seconds)
            self._peer.remove_containers()
        elif name == FULL:
            run = self._run_full(sample)
        else:
            run = self._load(self._bare if name == BARE else self._service)
        if name in (EMPTY, FULL):
            self._results.requests_between += run.requests
        say(f"{name}: {run.rate:,.0f}/s, p50 {run.p50_ms:.1f} ms, p99 {run.p99_ms:.1f} ms")
        return run

    def _run_full(self, sample: Sample) -> Run:
        self._data.fill(sample)
        self._create(fill_name(FILL - 1), 409)  # the service takes them for its own
        return self._load(self._service, stored=FILL)

    def _load(self, service: Service, seconds: float = 0, stored: int = 0) -> Run:
        """Load a service, count what it stored, and clear that away."""
        self._data.settle()
        time.sleep(_REST_SECONDS)
        self._run_number += 1
        names = f"run{self._run_number}"
        run = run_load(service.url, names, self._image, seconds or self._plan.seconds)
        time.sleep(_UNDERWAY_SECONDS)  # what wrk left under way is stored too
        index = 0 if service is self._bare else 1
        created = self._data.clear() - index - stored
        if not run.requests <= created <= run.requests + CONNECTIONS:
            raise BenchFailed(f"{run.requests:,} creates were answered, and {created:,} stored.")
        return run

    def _load_more(self) -> None:
        """Add requests until growth would show."""
        for _ in range(_MAX_MORE_RUNS):
            if self._results.requests_between >= self._plan.enough_requests:
                return
            say(f"more load, for memory: {self._results.requests_between:,} requests so far")
            self._results.requests_between += self._load(self._service).requests

    def _create(self, name: str, expected: int) -> None:
        status = self._service.create(name, self._image)
        if status != expected:
            raise BenchFailed(f"The create of {name} was answered {status}, not {expected}.")


def take_sample(service: Service, data: RedisData, image: str) -> Sample:
    """Return what a create of the README's helloworld stores, on an empty prefix."""
    data.clear()
    status = service.create("helloworld", image)
    if status != 201:
        raise BenchFailed(f"The create of helloworld was answered {status}, not 201.")
    return data.take_sample("helloworld")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
