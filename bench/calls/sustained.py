"""Calls by the second, several at once, against the same containers driven through docker-py."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from statistics import median

from bench.calls.churn import Order, same_options
from bench.calls.client import CallAddress
from bench.calls.engine import CREATED, RUNNING
from bench.calls.section import Section
from bench.calls.stage import CLIENTS, Stage, call_at_once, for_seconds
from bench.processes import child
from bench.report import Row
from bench.runs import BenchFailed, interleave

COLD, WARM, CHURN = "calls, none waiting", "calls, instances waiting", "docker-py"
CONTENDERS = (COLD, WARM, CHURN)
_LEAST_OF_CHURN, _LEAST_WARM_OF_CHURN, _LEAST_WARM_OF_COLD = 0.9, 0.95, 1
_WARM_UP_SECONDS = 2

_HOW = (
    "{clients} clients call `cat` with 64 bytes and wait for its output, again and again; and "
    "{clients} threads of one process create, attach, start, feed, read to the end, wait and "
    "remove the same containers straight through docker-py (limits, hardening and log driver "
    "alike, `cat` in the starter's place). {rounds} rounds of {seconds:g} s phases in turns; a "
    "phase lasts until the last of its containers is removed. Calls that were served from what "
    "waited before a phase began, and was not made again in it, don't count."
)


def measure(stage: Stage) -> Section:
    """Measure; raises BenchFailed at the first wrong output."""
    address = stage.create_func()
    rates: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for name in interleave(CONTENDERS, stage.plan.rounds):
        rate = _churn(stage) if name == CHURN else _call(stage, address, waiting=name == WARM)
        rates[name].append(rate)
    how = _HOW.format(clients=CLIENTS, rounds=stage.plan.rounds, seconds=stage.plan.seconds)
    return Section(f"Calls by the second, {CLIENTS} at once", how, _rows(rates))


def _call(stage: Stage, address: CallAddress, *, waiting: bool) -> float:
    """Return how many calls a second there were, but for those that what waited before served."""
    with stage.worker(waiting=waiting) as worker:
        call_at_once(address, CLIENTS, for_seconds(_WARM_UP_SECONDS))
        stage.engine.wait_until_quiet(worker.service, [RUNNING] if waiting else [])
        waited = len(stage.engine.list_running(worker.service))
        start = time.monotonic()
        taken_ms, _ = call_at_once(address, CLIENTS, for_seconds(stage.plan.seconds))
        stage.engine.wait_until_quiet(worker.service, [RUNNING, CREATED] if waiting else [])
        seconds = time.monotonic() - start
        used_up = max(0, waited - len(stage.engine.list_running(worker.service)))
        return (len(taken_ms) - used_up) / seconds


def _churn(stage: Stage) -> float:
    options = same_options(stage.image, stage.engine.run_id)
    order = Order(stage.engine.host, options, CLIENTS, stage.plan.seconds)
    output = subprocess.PIPE
    with child(order.command(), os.environ, stdout=output, stderr=output) as process:
        text, errors = process.communicate(timeout=stage.plan.seconds + 120)
    if process.returncode != 0:
        raise BenchFailed(f"docker-py's own run failed: {errors[-1000:]}")
    done = json.loads(text)
    return float(done["calls"] / done["seconds"])


def _rows(rates: dict[str, list[float]]) -> list[Row]:
    rows = [Row(f"a second: {name}", values, "{:.2f}") for name, values in rates.items()]
    rows.append(_ratio(rates, COLD, CHURN, _LEAST_OF_CHURN))
    rows.append(_ratio(rates, WARM, CHURN, _LEAST_WARM_OF_CHURN))
    rows.append(_ratio(rates, WARM, COLD, _LEAST_WARM_OF_COLD))
    return rows


def _ratio(rates: dict[str, list[float]], above: str, below: str, least: float) -> Row:
    values: Sequence[float] = [
        upper / lower for upper, lower in zip(rates[above], rates[below], strict=True)
    ]
    goal, reached = f"at least {least:g}", median(values) >= least
    return Row(f"{above} / {below}", values, "{:.2f}", goal, reached)
