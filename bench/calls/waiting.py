"""Calls that meet a waiting instance: against `docker run` and `docker exec`, 1 MB, a burst."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import astuple

from bench.calls.client import CallAddress, CallClient
from bench.calls.engine import IdleMemory
from bench.calls.pacer import Pacer
from bench.calls.section import (
    Latencies,
    Section,
    latency_rows,
    most_row,
    p50,
    p99,
    ratio_row,
    take_turns,
)
from bench.calls.stage import Stage
from bench.calls.worker import Worker
from bench.report import Row
from bench.runs import BenchFailed
from funcsvc.model import MAX_PAYLOAD_BYTES, MEGABYTE

CALL, RUN, EXEC = "call, one waiting", "docker run", "docker exec"
LARGE_BYTES, LARGE_TEXT = "call, one waiting, 1 MB of any bytes", "call, one waiting, 1 MB of text"
BURST = "burst of 10"
MOST_P50_MS, MOST_P99_MS, MOST_LARGE_MS = 10, 30, 30
MOST_OF_RUN, MOST_BURST_OF_RUN = 1 / 25, 1 / 3

_BURST_CALLS = 10
_LEAD_INTERVAL_SECONDS = 0.5
_WARM_UP_CALLS = 3
_SAMPLED_INSTANCES = 3

_TEXT_PAYLOAD = (b"x" * 63 + b"\n") * (MAX_PAYLOAD_BYTES // 64)
"""In lines as long as those of many texts: the engine logs each of them."""

_HOW = (
    "The same call with instances waiting, in turns with `docker run --rm -i IMAGE cat` and with "
    "`docker exec -i CONTAINER cat` into one container that stays: {calls} of each. Each begins "
    "when an instance waits and no other is made or removed. Which calls "
    "met one is what the worker logged. 1 MB is of random bytes, and in turns of text in lines of "
    "64 bytes, each of which the engine logs by itself."
)


def measure(stage: Stage) -> Section:
    """Measure; raises BenchFailed at the first wrong output."""
    address = stage.create_func()
    with ExitStack() as stack:
        worker = stack.enter_context(stage.worker(waiting=True))
        client = stack.enter_context(closing(CallClient(address)))
        container = stack.enter_context(stage.engine.shared_container(stage.image))
        latencies, met = _take_small(stage, worker, client, container)
        large, met_large = _take_large(stage, worker, client)
        bursts, met_bursts = _take_bursts(stage, worker, address)
        idle = _idle_memory(stage, worker)
    rows = [
        _met_row(met, latencies[CALL], "calls"),
        *_small_rows(latencies),
        _met_row(met_large, [*large[LARGE_BYTES], *large[LARGE_TEXT]], "calls with 1 MB"),
        *latency_rows(large, dict.fromkeys(large, (MOST_LARGE_MS, None))),
        _met_row(met_bursts, bursts, "calls in bursts"),
        *_burst_rows(bursts, p50(latencies[RUN]), stage),
        *_idle_rows(idle),
    ]
    curves = {**latencies, **large, BURST: bursts}
    how = _HOW.format(calls=stage.plan.waiting_calls)
    return Section("A call with instances waiting", how, rows, curves)


def _take_small(
    stage: Stage, worker: Worker, client: CallClient, container: str
) -> tuple[Latencies, int]:
    pacer = Pacer(stage, worker)

    def call() -> float:
        return pacer.call(client)

    def run() -> float:
        pacer.wait()
        return stage.docker.run()

    def exec_() -> float:
        pacer.wait()
        return stage.docker.exec(container)

    contenders = {CALL: call, RUN: run, EXEC: exec_}
    take_turns(contenders, _WARM_UP_CALLS)
    met = worker.count_met()
    latencies = take_turns(contenders, stage.plan.waiting_calls)
    return latencies, worker.count_met() - met


def _take_large(stage: Stage, worker: Worker, client: CallClient) -> tuple[Latencies, int]:
    pacer, met = Pacer(stage, worker), worker.count_met()
    any_bytes = os.urandom(MAX_PAYLOAD_BYTES)
    contenders = {
        LARGE_BYTES: lambda: pacer.call(client, any_bytes),
        LARGE_TEXT: lambda: pacer.call(client, _TEXT_PAYLOAD),
    }
    latencies = take_turns(contenders, stage.plan.large_calls)
    return latencies, worker.count_met() - met


def _take_bursts(stage: Stage, worker: Worker, address: CallAddress) -> tuple[list[float], int]:
    taken_ms: list[float] = []
    met = 0
    for _ in range(stage.plan.bursts):
        _lead(stage, address)
        before = worker.count_met()
        taken_ms += _burst(address)
        met += worker.count_met() - before
    return taken_ms, met


def _lead(stage: Stage, address: CallAddress) -> None:
    """Call at an even pace for a while."""
    start = time.monotonic()
    with closing(CallClient(address)) as client:
        for number in range(int(stage.plan.burst_lead_seconds / _LEAD_INTERVAL_SECONDS)):
            time.sleep(max(0, start + number * _LEAD_INTERVAL_SECONDS - time.monotonic()))
            client.call_sync()
    time.sleep(_LEAD_INTERVAL_SECONDS)


def _burst(address: CallAddress) -> list[float]:
    """Call many times at once, over connections that are there; return the milliseconds."""
    together = threading.Barrier(_BURST_CALLS)
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(CallClient(address))) for _ in range(_BURST_CALLS)]
        for client in clients:
            client.get_status()  # connected
        pool = stack.enter_context(ThreadPoolExecutor(_BURST_CALLS))
        return list(pool.map(lambda client: _call_together(together, client), clients))


def _call_together(together: threading.Barrier, client: CallClient) -> float:
    together.wait(10)
    return client.call_sync()


def _idle_memory(stage: Stage, worker: Worker) -> list[IdleMemory]:
    Pacer(stage, worker).wait()
    found = stage.engine.idle_memory(stage.engine.list_running(worker.service))
    idle = list(itertools.islice(found, _SAMPLED_INSTANCES))
    if not idle:
        raise BenchFailed("No instance waits.")
    return idle


def _met_row(met: int, taken_ms: Sequence[float], what: str) -> Row:
    return Row(f"of {len(taken_ms)} {what} met a waiting instance", [met])


def _small_rows(latencies: Latencies) -> Iterator[Row]:
    yield from latency_rows(latencies, {CALL: (MOST_P50_MS, MOST_P99_MS)})
    yield ratio_row(latencies, CALL, RUN, MOST_OF_RUN)
    yield ratio_row(latencies, CALL, EXEC, 1)


def _burst_rows(bursts: Sequence[float], run_p50: float, stage: Stage) -> Iterator[Row]:
    lead = f"after {stage.plan.burst_lead_seconds:g} s of 2 calls a second"
    yield Row(f"p50, ms: {BURST} at once, {lead}", [p50(bursts)], "{:.1f}")
    yield Row(f"p99, ms: {BURST} at once, {lead}", [p99(bursts)], "{:.1f}")
    yield most_row(
        f"p99 of a {BURST} / p50 of {RUN}", p99(bursts) / run_p50, MOST_BURST_OF_RUN, "{:.2f}"
    )


def _idle_rows(idle: Sequence[IdleMemory]) -> Iterator[Row]:
    names = ("starter, RSS", "starter, PSS", "shim, RSS", "shim, PSS", "cgroup")
    for name, values in zip(names, zip(*map(astuple, idle), strict=True), strict=True):
        yield Row(f"MB an instance that waits: {name}", [v / MEGABYTE for v in values], "{:.2f}")
