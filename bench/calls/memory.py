"""Memory and descriptors of web and worker over many calls, and the containers that are left."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.calls.client import CallAddress
from bench.calls.section import Section
from bench.calls.stage import CLIENTS, Stage, call_at_once
from bench.calls.worker import Worker
from bench.processes import children_of, descriptors, resident_bytes
from bench.report import Row
from bench.runs import BenchFailed
from funcsvc.model import MEGABYTE

_QUICK_SECONDS = 240
"""If the first half was done in less, there is a second one."""

_WARM_UP_CALLS = 100
_MOST_GROWTH_PERCENT = 5
_MOST_DESCRIPTORS_A_CALL = 0.01

_HOW = (
    "Resident memory and open descriptors of each process, warmed up, and after calls of `cat` by "
    "{clients} clients, without waiting instances; and the containers that are there when the last "
    "one was answered and a moment has passed."
)


@dataclass(frozen=True)
class Look:
    """What one process holds."""

    resident: int
    descriptors: int


Looks = Mapping[str, Look]


def measure(stage: Stage) -> Section:
    """Measure; raises BenchFailed when a process was replaced by another."""
    address = stage.create_func()
    with stage.worker(waiting=False) as worker:
        _call(address, min(_WARM_UP_CALLS, stage.plan.memory_calls))
        stage.wait_until_quiet(worker)
        looks, calls = [_look(stage, worker)], [0]
        for _ in range(2):
            seconds = _call(address, stage.plan.memory_calls)
            left = _count_left(stage, worker)
            looks.append(_look(stage, worker))
            calls.append(calls[-1] + stage.plan.memory_calls)
            if seconds > _QUICK_SECONDS:
                break
    if any(look.keys() != looks[0].keys() for look in looks):
        raise BenchFailed("A process was replaced by another in between.")
    rows = [row for name in looks[0] for row in _rows(name, [look[name] for look in looks], calls)]
    rows.append(Row("containers left", [left], goal="0", reached=left == 0))
    return Section("Memory", _HOW.format(clients=CLIENTS), rows)


def _call(address: CallAddress, calls: int) -> float:
    """Make so many calls; return the seconds they took."""
    numbers = itertools.count()
    _, seconds = call_at_once(address, CLIENTS, lambda: next(numbers) < calls)
    return seconds


def _count_left(stage: Stage, worker: Worker) -> int:
    with suppress(BenchFailed):  # how many there are then is the figure
        stage.wait_until_quiet(worker)
    return len(stage.engine.states(worker.service))


def _look(stage: Stage, worker: Worker) -> Looks:
    web = children_of(stage.service.master)
    processes = {f"web worker {number}": process for number, process in enumerate(web, 1)}
    processes = {"gunicorn": stage.service.master, **processes, "worker": worker.process}
    return {
        name: Look(resident_bytes(process), descriptors(process))
        for name, process in processes.items()
    }


def _rows(name: str, looks: Sequence[Look], calls: Sequence[int]) -> Iterator[Row]:
    """Yield a process's rows; what few calls can't show is not judged."""
    first, last, enough = looks[0], looks[-1], calls[-1] >= 2_000
    for look, done in zip(looks, calls, strict=True):
        after = f"{done:,} calls later" if done else "warmed up"
        yield Row(f"{name}: resident MB, {after}", [look.resident / MEGABYTE], "{:.1f}")
    growth = (last.resident / looks[-2].resident - 1) * 100
    flat = growth < _MOST_GROWTH_PERCENT if enough else None
    goal = f"flat: under {_MOST_GROWTH_PERCENT}"
    yield Row(
        f"{name}: growth over the last {calls[-1] - calls[-2]:,}, %", [growth], "{:.1f}", goal, flat
    )
    more = last.descriptors - first.descriptors
    leaks = more / calls[-1] < _MOST_DESCRIPTORS_A_CALL if enough else None
    figure = f"{name}: descriptors more than the {first.descriptors} at first"
    yield Row(figure, [more], "{:,.0f}", "none a call", leaks)
