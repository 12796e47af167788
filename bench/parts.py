"""The parts of the benchmark; each measures, and gives a section of the page.

Each raises BenchFailed at the first wrong answer.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from typing import Any

from bench import BenchFailed, contenders, insides
from bench.contenders import started, started_for_each_run, take_turns
from bench.docker_peers import STAGES, run_container
from bench.insides import Insides, container_of_a_call
from bench.load import (
    CLIENTS,
    CONNECTIONS,
    PAYLOAD,
    CallClient,
    Run,
    Stopwatch,
    call_at_once,
    percentile,
)
from bench.report import (
    Goal,
    Latencies,
    Row,
    Section,
    at_least,
    at_most,
    latency_ratio_row,
    latency_rows,
    middles,
    rate_rows,
    rates,
    ratio_row,
    under,
)
from bench.servers import Look, look_at, look_at_workers
from bench.stage import FILL, Stage, Worker
from funcsvc.model import MEGABYTE

_ENOUGH_CREATES, _ENOUGH_CALLS = 100_000, 2_000
"""Growth that fewer can't show is not judged."""

_MAX_MORE_RUNS = 10
_QUICK_SECONDS = 240
"""If the first half of the calls was done in less, there is a second one."""

_WARM_UP_CALLS = 3
_LEAD_INTERVAL_SECONDS = 0.5
_SAMPLED_INSTANCES = 3

_BY_WRK = (
    "{rounds} rounds of {seconds:g} s runs in turns, by wrk over {connections} kept connections, "
    "or over one where there is one client."
)

Looks = Mapping[str, Look]
"""What each process holds, by name."""


# Creating and reading funcs


def measure_creating(stage: Stage) -> Section:
    of_redis = stage.data.measure_memory(stage.take_sample(), FILL)
    stage.data.clear()
    with started(stage, "creating") as turns:
        turns[contenders.CREATE_BARE]()  # warmed up
        turns[contenders.CREATE]()
        before = look_at_workers(stage.service)
        taken = take_turns(turns, stage.plan.rounds)
        creates = _create_more(stage, taken, turns[contenders.CREATE])
        after = look_at_workers(stage.service)
    rows = [
        *rate_rows("creates a second", rates(taken)),
        *_create_ratios(rates(taken)),
        *_create_times(taken),
        *(
            Row(f"Redis bytes a func: {name}", [of], 0, at_most(2048))
            for name, of in of_redis.items()
        ),
        *_web_rows(before, after, creates),
    ]
    return Section("Creating funcs", _how_by_wrk(stage, stage.plan.create_seconds), rows)


def _create_more(
    stage: Stage, taken: Mapping[str, Sequence[Run]], create: Callable[[], Run]
) -> int:
    """Create until growth would show; return how many creates the service had in all."""
    runs = [*taken[contenders.CREATE], *taken[contenders.CREATE_FULL]]
    creates = sum(run.requests for run in runs)
    for _ in range(_MAX_MORE_RUNS):
        if creates < stage.plan.memory_creates:
            creates += create().requests
    return creates


def _create_ratios(by_name: Mapping[str, Sequence[float]]) -> Iterator[Row]:
    service, full = contenders.CREATE, contenders.CREATE_FULL
    yield ratio_row(by_name, service, contenders.CREATE_BARE, 2, at_least(0.7))
    yield ratio_row(by_name, service, contenders.CREATE_ENGINE, 1, at_least(8))
    row = ratio_row(by_name, full, service, 2, at_least(0.9))
    yield replace(row, figure=f"funcsvc: {FILL:,} stored / none")


def _create_times(taken: Mapping[str, Sequence[Run]]) -> Iterator[Row]:
    for name, runs in taken.items():
        yield from _time_rows(name, runs)
        goal = under(5) if name in (contenders.CREATE, contenders.CREATE_FULL) else None
        yield Row(f"p99 / p50: {name}", [run.tail for run in runs], 1, goal)


def _time_rows(name: str, runs: Sequence[Run]) -> Iterator[Row]:
    yield Row(f"p50, ms: {name}", [run.p50_ms for run in runs], 1)
    yield Row(f"p99, ms: {name}", [run.p99_ms for run in runs], 1)


def _web_rows(before: Looks, after: Looks, creates: int) -> Iterator[Row]:
    _check_same(before, after)
    for name, look in after.items():
        first, last = before[name].resident, look.resident
        yield Row(f"{name}: resident MB, warmed up", [first / MEGABYTE], 1)
        figure = f"{name}: resident MB, {creates:,} requests later"
        yield Row(figure, [last / MEGABYTE], 1, under(80))
        growth = (last / first - 1) * 100
        yield Row(f"{name}: growth, %", [growth], 1, _flat(creates >= _ENOUGH_CREATES))


def measure_reading(stage: Stage) -> Section:
    with started(stage, "reading") as turns:
        taken = take_turns(turns, stage.plan.rounds)
    stage.data.clear()
    by_name = rates(taken)
    one_client = zip(taken[contenders.OPEN], taken[contenders.SIGNED], strict=True)
    costs = [signed.p50_ms - plain.p50_ms for plain, signed in one_client]
    rows = [
        *rate_rows("a second", by_name),
        ratio_row(by_name, contenders.INSPECT, contenders.GET_BARE, 2, at_least(0.7)),
        ratio_row(by_name, contenders.PAGE_LONG, contenders.PAGE_SHORT, 2, at_least(0.9)),
        Row("a signature's cost, ms (p50)", costs, 2, at_most(0.3)),
    ]
    return Section("Reading", _how_by_wrk(stage, stage.plan.read_seconds), rows)


def _how_by_wrk(stage: Stage, seconds: float) -> str:
    return _BY_WRK.format(rounds=stage.plan.rounds, seconds=seconds, connections=CONNECTIONS)


# Accepting calls

_ACCEPTING = (
    "`POST /call/NAME/UUID` with 64 bytes by wrk over {connections} connections, with no worker, "
    "so that the queue only grows; and the same to one bare Flask route under the same gunicorn "
    "settings, which reads the body, answers a short JSON and uses no Redis. {rounds} rounds of "
    "{seconds:g} s runs in turns."
)


def measure_accepting(stage: Stage) -> Section:
    with started(stage, "accepting") as turns:
        turns[contenders.ACCEPT_BARE]()  # warmed up
        turns[contenders.ACCEPT]()
        taken = take_turns(turns, stage.plan.rounds)
    stage.data.clear()
    by_name = rates(taken)
    ratios = [
        ratio_row(by_name, contenders.ACCEPT, contenders.ACCEPT_BARE, 2, at_least(0.5)),
        ratio_row(by_name, contenders.ACCEPT_FULL, contenders.ACCEPT, 2, at_least(0.9)),
    ]
    rows = [
        *rate_rows("accepted a second", by_name),
        *(row for name, runs in taken.items() for row in _time_rows(name, runs)),
        *(replace(row, figure=f"rate: {row.figure}") for row in ratios),
    ]
    plan = stage.plan
    how = _ACCEPTING.format(
        connections=CONNECTIONS, rounds=plan.rounds, seconds=plan.accept_seconds
    )
    return Section("Accepting calls", how, rows)


# Single calls

_COLD = (
    "A call of `cat` with 64 bytes through gunicorn, `/sync`, by one client on a kept connection, "
    "and `docker run --rm -i IMAGE cat` with the same bytes, in turns: {calls} of each. Each "
    "begins when no container of the one before is left."
)


def measure_cold(stage: Stage) -> Section:
    with started(stage, "cold") as turns:
        take_turns(turns, _WARM_UP_CALLS)
        latencies = take_turns(turns, stage.plan.cold_calls)
    against = latency_ratio_row(latencies, contenders.COLD, contenders.DOCKER_RUN, at_most(1.1))
    how = _COLD.format(calls=stage.plan.cold_calls)
    title = "A call without waiting instances"
    return Section(title, how, [*latency_rows(latencies), against], latencies)


_WAITING = (
    "The same call with instances waiting, in turns with `docker run --rm -i IMAGE cat` and with "
    "`docker exec -i CONTAINER cat` into one container that stays: {calls} of each. Each begins "
    "when an instance waits and no other is made or removed. Which calls "
    "met one is what the worker logged. 1 MB is of random bytes, and in turns of text in lines of "
    "64 bytes, each of which the engine logs by itself."
)


def measure_waiting(stage: Stage) -> Section:
    small_names = (contenders.WARM, contenders.DOCKER_RUN, contenders.DOCKER_EXEC)
    large_names = (contenders.LARGE_BYTES, contenders.LARGE_TEXT)
    with started(stage, "waiting") as turns:
        take_turns(turns, _WARM_UP_CALLS, small_names)
        with _met(stage) as met:
            small = take_turns(turns, stage.plan.waiting_calls, small_names)
        with _met(stage) as met_large:
            large = take_turns(turns, stage.plan.large_calls, large_names)
        bursts, met_bursts = _take_bursts(stage, turns[contenders.BURST])
        idle = _idle_rows(stage)
    rows = [
        _met_row(met, len(small[contenders.WARM]), "calls"),
        *_small_rows(small),
        _met_row(met_large, sum(map(len, large.values())), "calls with 1 MB"),
        *latency_rows(large, dict.fromkeys(large, (at_most(30), None))),
        _met_row(met_bursts, len(bursts), "calls in bursts"),
        *_burst_rows(stage, bursts, small[contenders.DOCKER_RUN]),
        *idle,
    ]
    how = _WAITING.format(calls=stage.plan.waiting_calls)
    curves = {**small, **large, contenders.BURST: bursts}
    return Section("A call with instances waiting", how, rows, curves)


def _take_bursts(stage: Stage, burst: Callable[[], list[float]]) -> tuple[list[float], list[int]]:
    """Call at an even pace before each; return milliseconds, and how many met an instance."""
    taken_ms: list[float] = []
    met: list[int] = []
    for _ in range(stage.plan.bursts):
        _call_at_even_pace(stage)
        with _met(stage) as met_here:
            taken_ms += burst()
        met += met_here
    return taken_ms, met


def _call_at_even_pace(stage: Stage) -> None:
    start = time.monotonic()
    for number in range(int(stage.plan.burst_lead_seconds / _LEAD_INTERVAL_SECONDS)):
        time.sleep(max(0, start + number * _LEAD_INTERVAL_SECONDS - time.monotonic()))
        _worker(stage).call()
    time.sleep(_LEAD_INTERVAL_SECONDS)


@contextmanager
def _met(stage: Stage) -> Iterator[list[int]]:
    """Count the calls of a block that met a waiting instance."""
    before, met = _worker(stage).count_met(), []
    yield met
    met.append(_worker(stage).count_met() - before)


def _met_row(met: Sequence[int], calls: int, what: str) -> Row:
    return Row(f"of {calls} {what} met a waiting instance", [sum(met)])


def _small_rows(small: Latencies) -> Iterator[Row]:
    warm = contenders.WARM
    yield from latency_rows(small, {warm: (at_most(10), at_most(30))})
    yield latency_ratio_row(small, warm, contenders.DOCKER_RUN, at_most(1 / 25))
    yield latency_ratio_row(small, warm, contenders.DOCKER_EXEC, at_most(1))


def _burst_rows(stage: Stage, bursts: Sequence[float], runs: Sequence[float]) -> Iterator[Row]:
    p50, p99 = percentile(bursts, 50), percentile(bursts, 99)
    when = f"at once, after {stage.plan.burst_lead_seconds:g} s of 2 calls a second"
    yield Row(f"p50, ms: {contenders.BURST} {when}", [p50], 1)
    yield Row(f"p99, ms: {contenders.BURST} {when}", [p99], 1)
    figure = f"p99 of a {contenders.BURST} / p50 of {contenders.DOCKER_RUN}"
    yield Row(figure, [p99 / percentile(runs, 50)], 2, at_most(1 / 3))


def _idle_rows(stage: Stage) -> list[Row]:
    """Return what a few instances take that wait."""
    stage.settle()
    found = stage.engine.idle_memory(stage.engine.list_running(_worker(stage).service))
    idle = list(itertools.islice(found, _SAMPLED_INSTANCES))
    if not idle:
        raise BenchFailed("No instance waits.")
    return [
        Row(f"MB an instance that waits: {name}", [one[name] / MEGABYTE for one in idle], 2)
        for name in idle[0]
    ]


def _worker(stage: Stage) -> Worker:
    assert stage.worker is not None
    return stage.worker


# Calls by the second

_SUSTAINED = (
    "{clients} clients call `cat` with 64 bytes and wait for its output, again and again; and "
    "{clients} threads of one process create, attach, start, feed, read to the end, wait and "
    "remove the same containers straight through docker-py (limits, hardening and log driver "
    "alike, `cat` in the starter's place). {rounds} rounds of {seconds:g} s phases in turns; a "
    "phase lasts until the last of its containers is removed. Calls that were served from what "
    "waited before a phase began, and was not made again in it, don't count."
)


def measure_sustained(stage: Stage) -> Section:
    plan, churn = stage.plan, contenders.DOCKER_PY
    by_name = take_turns(started_for_each_run(stage, "sustained"), plan.rounds)
    rows = [
        *rate_rows("a second", by_name, 2),
        ratio_row(by_name, contenders.COLD_CALLS, churn, 2, at_least(0.9)),
        ratio_row(by_name, contenders.WARM_CALLS, churn, 2, at_least(0.95)),
        ratio_row(by_name, contenders.WARM_CALLS, contenders.COLD_CALLS, 2, at_least(1)),
    ]
    how = _SUSTAINED.format(clients=CLIENTS, rounds=plan.rounds, seconds=plan.phase_seconds)
    return Section(f"Calls by the second, {CLIENTS} at once", how, rows)


# Memory

_MEMORY = (
    "Resident memory and open descriptors of each process, warmed up, and after calls of `cat` by "
    "{clients} clients, without waiting instances; and the containers that are there when the last "
    "one was answered and a moment has passed."
)


def measure_memory(stage: Stage) -> Section:
    with stage.run_worker(waiting=False) as worker:
        _make_calls(worker, min(100, stage.plan.memory_calls))
        worker.settle()
        looks, calls = [_look_at_all(stage, worker)], [0]
        for _ in range(2):
            seconds = _make_calls(worker, stage.plan.memory_calls)
            left = _count_left(stage, worker)
            looks.append(_look_at_all(stage, worker))
            calls.append(calls[-1] + stage.plan.memory_calls)
            if seconds > _QUICK_SECONDS:
                break
    for look in looks:
        _check_same(looks[0], look)
    rows = [
        row for name in looks[0] for row in _memory_rows(name, [it[name] for it in looks], calls)
    ]
    rows.append(Row("containers left", [left], 0, Goal("0", lambda value: value == 0)))
    return Section("Memory", _MEMORY.format(clients=CLIENTS), rows)


def _make_calls(worker: Worker, calls: int) -> float:
    """Call this many times; return the seconds that took."""
    numbers, start = itertools.count(), time.monotonic()
    call_at_once(worker.address, lambda: next(numbers) < calls)
    return time.monotonic() - start


def _count_left(stage: Stage, worker: Worker) -> int:
    with suppress(BenchFailed):  # how many there are then is the figure
        worker.settle()
    return len(stage.engine.states(worker.service))


def _look_at_all(stage: Stage, worker: Worker) -> Looks:
    web = look_at_workers(stage.service)
    return {"gunicorn": look_at(stage.service.pid), **web, "worker": look_at(worker.pid)}


def _check_same(before: Looks, after: Looks) -> None:
    if [look.pid for look in before.values()] != [look.pid for look in after.values()]:
        raise BenchFailed("A process was replaced by another in between.")


def _memory_rows(name: str, looks: Sequence[Look], calls: Sequence[int]) -> Iterator[Row]:
    for look, done in zip(looks, calls, strict=True):
        after = f"{done:,} calls later" if done else "warmed up"
        yield Row(f"{name}: resident MB, {after}", [look.resident / MEGABYTE], 1)
    enough, last = calls[-1] >= _ENOUGH_CALLS, calls[-1] - calls[-2]
    growth = (looks[-1].resident / looks[-2].resident - 1) * 100
    yield Row(f"{name}: growth over the last {last:,}, %", [growth], 1, _flat(enough))
    first = looks[0].descriptors
    leaks = Goal("none a call", (lambda more: more / calls[-1] < 0.01) if enough else None)
    figure = f"{name}: descriptors more than the {first} at first"
    yield Row(figure, [looks[-1].descriptors - first], 0, leaks)


def _flat(enough: bool) -> Goal:
    return Goal("flat: under 5", under(5).is_reached if enough else None)


# Where the time goes

_HTTP = "web: HTTP alone: the bare route"
_ACCEPT, _ANSWER = "web and Redis: accept, by HTTP", "web and Redis: answer and remove, by HTTP"
_WHOLE_COLD = "the whole call, `/sync`, none waiting"
_WHOLE_WARM = "the whole call, `/sync`, one waiting"
_WAY = (
    _ACCEPT,
    insides.RESERVE,
    insides.LOAD,
    insides.START,
    insides.BEGIN,
    insides.RUN,
    insides.END,
    _ANSWER,
)
_STEPS = (
    *(_HTTP, _ACCEPT, insides.CREATE, *_WAY[1:-1], _ANSWER),
    *(insides.GET, insides.DELETE, insides.REMOVE),
)

_SPLIT = (
    "{calls} calls of `cat` with 64 bytes, one at a time, in which the benchmark stands in the "
    "worker's place and takes the time of each step, with funcsvc's own parts; every other call is "
    "stored and fetched without HTTP. Between the two halves of them, {calls} whole calls with a "
    "real worker, and as many with instances waiting. The sum has the HTTP exchange once, as "
    "`/sync` has; what the whole call takes beside it are wakes and hand-overs between processes "
    "and threads. Last, the engine's steps by "
    "docker-py alone, `cat` in the starter's place: its end is the container's."
)


def measure_split(stage: Stage) -> Section:
    watch, half = Stopwatch(), (stage.plan.split_calls + 1) // 2
    _take_steps(stage, watch, half)
    for name, waiting in ((_WHOLE_COLD, False), (_WHOLE_WARM, True)):
        with stage.run_worker(waiting=waiting) as worker:
            worker.call()  # warmed up
            for _ in range(2 * half):
                worker.settle()
                watch.taken_ms[name].append(worker.call())
    _take_steps(stage, watch, half)
    rows = [*_step_rows(watch), *_docker_py_rows(stage, 2 * half)]
    return Section("Where the time goes", _SPLIT.format(calls=2 * half), rows)


def _take_steps(stage: Stage, watch: Stopwatch, calls: int) -> None:
    address = stage.create_cat()
    with ExitStack() as stack:
        parts = Insides(stage.environment, address, stack)
        client = stack.enter_context(closing(CallClient(address)))
        bare = replace(address, port=stage.bare.port)
        bare_client = stack.enter_context(closing(CallClient(bare)))
        for step in (_step_by_http, _step_directly):
            step(parts, client, Stopwatch())  # warmed up
        for _ in range(calls):
            for step in (_step_by_http, _step_directly):
                with watch.stage(_HTTP):
                    bare_client.enqueue()
                step(parts, client, watch)


def _step_by_http(parts: Insides, client: CallClient, watch: Stopwatch) -> None:
    """Take a call of a client's from beginning to end."""
    with watch.stage(_ACCEPT):
        client.enqueue()
    call_id, container = parts.run_call(watch)
    with watch.stage(_ANSWER):
        output = client.get_output(call_id)
    parts.remove(container, watch)
    _check_output(output)


def _step_directly(parts: Insides, client: CallClient, watch: Stopwatch) -> None:
    """Take a call from beginning to end that is stored and fetched as the web process does it."""
    parts.accept(watch)
    call_id, container = parts.run_call(watch)
    output = parts.answer(call_id, watch)
    parts.remove(container, watch)
    _check_output(output)


def _check_output(output: bytes) -> None:
    if output != PAYLOAD:
        raise BenchFailed(f"A call that was taken step by step gave {output[:100]!r}.")


def _step_rows(watch: Stopwatch) -> Iterator[Row]:
    p50 = {name: percentile(taken, 50) for name, taken in watch.taken_ms.items()}
    for name in _STEPS:
        yield _step_row(name, watch)
    total = sum(p50[name] for name in _WAY) - p50[_HTTP]
    yield Row("the sum of a call's way, ms", [total], 2)
    yield _step_row(_WHOLE_COLD, watch)
    without_start = total - p50[insides.START]
    yield Row("the sum without the start, ms", [without_start], 2)
    yield _step_row(_WHOLE_WARM, watch)
    yield Row("wakes, hand-overs, the rest, ms", [p50[_WHOLE_WARM] - without_start], 2)


def _docker_py_rows(stage: Stage, calls: int) -> Iterator[Row]:
    options, watch = container_of_a_call(stage.image, stage.engine.labels), Stopwatch()
    with closing(stage.engine.make_client()) as client:
        run_container(client, options, Stopwatch())  # warmed up
        for _ in range(calls):
            run_container(client, options, watch)
    for name in STAGES:
        yield replace(_step_row(name, watch), figure=f"docker-py: {name}, ms")


def _step_row(name: str, watch: Stopwatch) -> Row:
    return Row(f"{name}, ms", middles(watch.taken_ms[name]), 2)


MANAGEMENT: Mapping[str, Callable[[Stage], Section]] = {
    "creating": measure_creating,
    "reading": measure_reading,
}
CALLS: Mapping[str, Callable[[Stage], Section]] = {
    "enqueue": measure_accepting,
    "cold": measure_cold,
    "waiting": measure_waiting,
    "sustained": measure_sustained,
    "memory": measure_memory,
    "split": measure_split,
}
