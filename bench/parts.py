"""The parts of the benchmark; each measures, and gives a section of the page.

Each raises BenchFailed at the first wrong answer.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress

from bench import BenchFailed, insides
from bench.contenders import MANY, cat_container, started, started_for_each_run, take_turns
from bench.docker_peers import run_container
from bench.insides import Insides
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
from bench.report import Goal, Row, Section, latency_rows, middles, ratio_rows, under
from bench.servers import Look, look_at, look_at_web
from bench.stage import Stage, Worker
from dev.machine.waiting import NotInTime
from funcsvc.model import MEGABYTE

_ENOUGH_CREATES, _ENOUGH_CALLS = 100_000, 2_000
"""Growth that fewer can't show is not judged."""

_MAX_MORE_RUNS = 10
_QUICK_SECONDS = 240
"""If the first half of the calls was done in less, there is a second one."""

_WARM_UP_CALLS = 3
_LEAD_INTERVAL_SECONDS = 0.5
_SAMPLED_INSTANCES = 3

Looks = Mapping[str, Look]
"""What each process holds, by name."""


# By wrk: creating, reading, accepting

_BY_WRK = (
    "By wrk over {connections} kept connections, or over one where there is one client. "
    "{rounds} rounds of {seconds} s runs in turns."
)


def measure_creating(stage: Stage) -> Section:
    redis_rows = [*_redis_rows(stage)]
    with started(stage, "creating") as [turns]:
        turns["bare route"]()  # warmed up
        turns["funcsvc"]()
        before = look_at_web(stage.service)
        taken = take_turns(turns, stage.rounds)
        creates = _create_more(stage, taken, turns["funcsvc"])
        after = look_at_web(stage.service)
    rates = _rates(taken)
    among_many = {"funcsvc: 100,000 stored": rates["funcsvc, 100,000 stored"]}
    rows = [
        *_rate_rows("creates a second", rates),
        *ratio_rows({**rates, **among_many, "none": rates["funcsvc"]}),
        *_time_rows(taken, with_tail=True),
        *redis_rows,
        *_web_rows(before, after, creates),
    ]
    return Section("Creating funcs", _how_by_wrk(stage, _BY_WRK, stage.pick(10, 2)), rows)


def _create_more(
    stage: Stage, taken: Mapping[str, Sequence[Run]], create: Callable[[], Run]
) -> int:
    """Create until growth would show; return how many creates the service had in all."""
    runs = [*taken["funcsvc"], *taken["funcsvc, 100,000 stored"]]
    creates = sum(run.requests for run in runs)
    for _ in range(stage.pick(_MAX_MORE_RUNS, 0)):
        if creates < _ENOUGH_CREATES:
            creates += create().requests
    return creates


def _redis_rows(stage: Stage) -> Iterator[Row]:
    """Yield what a func takes, by two ways of counting."""
    stage.store_funcs()
    before = stage.data.used_bytes()
    stage.store_funcs(MANY + 1)
    grown = (stage.data.used_bytes() - before) / MANY
    of_keys = stage.data.func_bytes(MANY)
    stage.data.clear()
    yield Row("Redis bytes a func: its key and its share of the index", [of_keys])
    yield Row(f"Redis bytes a func: used_memory over {MANY:,}", [grown])


def _web_rows(before: Looks, after: Looks, creates: int) -> Iterator[Row]:
    for name, look in before.items():
        yield Row(f"{name}: resident MB, warmed up", [look.resident / MEGABYTE], 1)
        later = f"{name}: resident MB, {creates:,} requests later"
        yield Row(later, [after[name].resident / MEGABYTE], 1, under(80))
        yield _growth_row(f"{name}: growth, %", look, after[name], creates >= _ENOUGH_CREATES)


def measure_reading(stage: Stage) -> Section:
    with started(stage, "reading") as [turns]:
        taken = take_turns(turns, stage.rounds)
    stage.data.clear()
    pairs = zip(*(taken[f"inspect, {way}, one client"] for way in ("open", "signed")), strict=True)
    costs = [signed.p50_ms - plain.p50_ms for plain, signed in pairs]
    rows = [
        *_rate_rows("a second", _rates(taken)),
        *ratio_rows(_rates(taken)),
        Row("a signature's cost, ms (p50)", costs, 2),
    ]
    return Section("Reading", _how_by_wrk(stage, _BY_WRK, stage.pick(5, 2)), rows)


_ACCEPTING = (
    "`POST /call/NAME/UUID` with 64 bytes by wrk over {connections} connections, with no worker, "
    "so that the queue only grows; and the same to one bare Flask route under the same gunicorn "
    "settings, which reads the body, answers a short JSON and uses no Redis. {rounds} rounds of "
    "{seconds} s runs in turns."
)


def measure_accepting(stage: Stage) -> Section:
    with started(stage, "enqueue") as [turns]:
        turns["bare route"]()  # warmed up
        turns["empty queue"]()
        taken = take_turns(turns, stage.rounds)
    stage.data.clear()
    rates = _rates(taken)
    rows = [
        *_rate_rows("accepted a second", rates),
        *_time_rows(taken),
        *ratio_rows(rates, "rate: "),
    ]
    return Section("Accepting calls", _how_by_wrk(stage, _ACCEPTING, stage.pick(6, 2)), rows)


def _how_by_wrk(stage: Stage, text: str, seconds: float) -> str:
    return text.format(connections=CONNECTIONS, rounds=stage.rounds, seconds=seconds)


def _rates(taken: Mapping[str, Sequence[Run]]) -> dict[str, list[float]]:
    return {name: [run.rate for run in runs] for name, runs in taken.items()}


def _rate_rows(what: str, rates: Mapping[str, Sequence[float]], decimals: int = 0) -> list[Row]:
    return [Row(f"{what}: {name}", values, decimals) for name, values in rates.items()]


def _time_rows(taken: Mapping[str, Sequence[Run]], with_tail: bool = False) -> Iterator[Row]:
    for name, runs in taken.items():
        yield Row(f"p50, ms: {name}", [run.p50_ms for run in runs], 1)
        yield Row(f"p99, ms: {name}", [run.p99_ms for run in runs], 1)
        if with_tail:
            yield Row(f"p99 / p50: {name}", [run.p99_ms / run.p50_ms for run in runs], 1)


# Single calls

_COLD = (
    "A call of `cat` with 64 bytes through gunicorn, `/sync`, by one client on a kept connection, "
    "and `docker run --rm -i IMAGE cat` with the same bytes, in turns: {calls} of each. Each "
    "begins when no container of the one before is left."
)
_WAITING = (
    "The same call with instances waiting, in turns with `docker run --rm -i IMAGE cat` and with "
    "`docker exec -i CONTAINER cat` into one container that stays: {calls} of each. Each begins "
    "when an instance waits and no other is made or removed. Which calls "
    "met one is what the worker logged. 1 MB is of random bytes, and in turns of text in lines of "
    "64 bytes, each of which the engine logs by itself."
)


def measure_cold(stage: Stage) -> Section:
    calls = stage.pick(200, 5)
    with started(stage, "cold") as [turns]:
        take_turns(turns, _WARM_UP_CALLS)
        taken = take_turns(turns, calls)
    how = _COLD.format(calls=calls)
    return Section("A call without waiting instances", how, [*latency_rows(taken)], taken)


def measure_waiting(stage: Stage) -> Section:
    calls = stage.pick(300, 10)
    with started(stage, "waiting", "waiting, 1 MB", "waiting, bursts") as [small, large, bursts]:
        take_turns(small, _WARM_UP_CALLS)
        with _met(stage) as met:
            taken = take_turns(small, calls)
        with _met(stage) as met_large:
            taken_large = take_turns(large, stage.pick(100, 5))
        burst_ms, met_bursts = _take_bursts(stage, *bursts.values())
        idle_rows = [*_idle_rows(stage)]
    rows = [
        _met_row(met, calls, "calls"),
        *latency_rows(taken),
        _met_row(met_large, sum(map(len, taken_large.values())), "calls with 1 MB"),
        *latency_rows(taken_large),
        _met_row(met_bursts, len(burst_ms), "calls in bursts"),
        *_burst_rows(stage, burst_ms, percentile(taken["docker run"], 50)),
        *idle_rows,
    ]
    curves = {**taken, **taken_large, "burst of 10": burst_ms}
    return Section("A call with instances waiting", _WAITING.format(calls=calls), rows, curves)


def _take_bursts(stage: Stage, burst: Callable[[], list[float]]) -> tuple[list[float], list[int]]:
    """Call at an even pace before each; return milliseconds, and how many met an instance."""
    taken_ms: list[float] = []
    met: list[int] = []
    for _ in range(stage.pick(3, 1)):
        start = time.monotonic()
        for number in range(int(_lead_seconds(stage) / _LEAD_INTERVAL_SECONDS)):
            time.sleep(max(0, start + number * _LEAD_INTERVAL_SECONDS - time.monotonic()))
            stage.get_worker().call()
        time.sleep(_LEAD_INTERVAL_SECONDS)
        with _met(stage) as met_here:
            taken_ms += burst()
        met += met_here
    return taken_ms, met


def _lead_seconds(stage: Stage) -> int:
    return stage.pick(60, 5)


@contextmanager
def _met(stage: Stage) -> Iterator[list[int]]:
    """Count the calls of a block that met a waiting instance."""
    met: list[int] = []
    before = stage.get_worker().count_met()
    yield met
    met.append(stage.get_worker().count_met() - before)


def _met_row(met: Sequence[int], calls: int, what: str) -> Row:
    return Row(f"of {calls} {what} met a waiting instance", [sum(met)])


def _burst_rows(stage: Stage, taken_ms: Sequence[float], run_ms: float) -> Iterator[Row]:
    when = f"at once, after {_lead_seconds(stage)} s of 2 calls a second"
    p99 = percentile(taken_ms, 99)
    yield Row(f"p50, ms: burst of 10 {when}", [percentile(taken_ms, 50)], 1)
    yield Row(f"p99, ms: burst of 10 {when}", [p99], 1)
    yield Row("p99 of a burst of 10 / p50 of docker run", [p99 / run_ms], 2)


def _idle_rows(stage: Stage) -> Iterator[Row]:
    """Yield what a few instances take that wait."""
    stage.settle()
    running = sorted(stage.engine.list_running(stage.get_worker().service))
    idle = [stage.engine.idle_memory(container) for container in running[:_SAMPLED_INSTANCES]]
    if not idle:
        raise BenchFailed("No instance waits.")
    for name in idle[0]:
        yield Row(f"MB an instance that waits: {name}", [it[name] / MEGABYTE for it in idle], 2)


# Many calls

_SUSTAINED = (
    "{clients} clients call `cat` with 64 bytes and wait for its output, again and again; and "
    "{clients} threads of one process create, attach, start, feed, read to the end, wait and "
    "remove the same containers straight through docker-py (limits, hardening and log driver "
    "alike, `cat` in the starter's place). {rounds} rounds of {seconds} s phases in turns; a "
    "phase lasts until the last of its containers is removed. Calls that were served from what "
    "waited before a phase began, and was not made again in it, don't count."
)
_MEMORY = (
    "Resident memory and open descriptors of each process, warmed up, and after calls of `cat` by "
    "{clients} clients, without waiting instances; and the containers that are there when the last "
    "one was answered and a moment has passed."
)


def measure_sustained(stage: Stage) -> Section:
    rates = take_turns(started_for_each_run(stage, "sustained"), stage.rounds)
    rows = [*_rate_rows("a second", rates, 2), *ratio_rows(rates)]
    seconds = stage.pick(15, 5)
    how = _SUSTAINED.format(clients=CLIENTS, rounds=stage.rounds, seconds=seconds)
    return Section(f"Calls by the second, {CLIENTS} at once", how, rows)


def measure_memory(stage: Stage) -> Section:
    calls = stage.pick(2_000, 40)
    with stage.run_worker(waiting=False) as worker:
        _make_calls(worker, min(100, calls))
        worker.settle()
        looks = [_look_at_all(stage, worker)]
        for _ in range(2):
            seconds = _make_calls(worker, calls)
            with suppress(NotInTime):  # how many there are then is the figure
                worker.settle()
            left = len(stage.engine.states(worker.service))
            looks.append(_look_at_all(stage, worker))
            if seconds > _QUICK_SECONDS:
                break
    rows = [row for name in looks[0] for row in _memory_rows(name, looks, calls)]
    return Section(
        "Memory", _MEMORY.format(clients=CLIENTS), [*rows, Row("containers left", [left])]
    )


def _make_calls(worker: Worker, calls: int) -> float:
    """Call this many times; return the seconds that took."""
    numbers, start = itertools.count(), time.monotonic()
    call_at_once(worker.make_client, lambda: next(numbers) < calls)
    return time.monotonic() - start


def _look_at_all(stage: Stage, worker: Worker) -> Looks:
    web = look_at_web(stage.service)
    return {"gunicorn": look_at(stage.service.pid), **web, "worker": look_at(worker.server.pid)}


def _memory_rows(name: str, all_looks: Sequence[Looks], calls: int) -> Iterator[Row]:
    looks, enough = [look[name] for look in all_looks], calls >= _ENOUGH_CALLS
    for number, look in enumerate(looks):
        after = f"{number * calls:,} calls later" if number else "warmed up"
        yield Row(f"{name}: resident MB, {after}", [look.resident / MEGABYTE], 1)
    yield _growth_row(f"{name}: growth over the last {calls:,}, %", looks[-2], looks[-1], enough)
    first, more = looks[0].descriptors, looks[-1].descriptors - looks[0].descriptors
    leaks = (lambda more: more / calls < 0.01) if enough else None
    figure = f"{name}: descriptors more than the {first} at first"
    yield Row(figure, [more], 0, Goal("none a call", leaks))


def _growth_row(figure: str, before: Look, after: Look, enough: bool) -> Row:
    """Return the row of a growth; one that there was not enough for isn't judged."""
    if before.pid != after.pid:
        raise BenchFailed("A process was replaced by another in between.")
    flat = under(5, "flat: under")
    growth = (after.resident / before.resident - 1) * 100
    return Row(figure, [growth], 1, flat if enough else Goal(flat.text, None))


# Where the time goes

_HTTP = "web: HTTP alone: the bare route"
_ACCEPT, _ANSWER = "web and Redis: accept, by HTTP", "web and Redis: answer and remove, by HTTP"
_WHOLE = {
    False: "the whole call, `/sync`, none waiting",
    True: "the whole call, `/sync`, one waiting",
}
"""By whether there are waiting instances."""

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
    watch, half = Stopwatch(), stage.pick(25, 3)
    _take_steps(stage, watch, half)
    for waiting, name in _WHOLE.items():
        with stage.run_worker(waiting=waiting) as worker:
            worker.call()  # warmed up
            for _ in range(2 * half):
                worker.settle()
                watch.taken_ms[name].append(worker.call())
    _take_steps(stage, watch, half)
    rows = [*_step_rows(watch.taken_ms), *_docker_py_rows(stage, 2 * half)]
    return Section("Where the time goes", _SPLIT.format(calls=2 * half), rows)


def _take_steps(stage: Stage, watch: Stopwatch, calls: int) -> None:
    path = stage.create_cat()
    with ExitStack() as stack:
        parts = Insides(stage.environment, stack)
        client, bare = (
            stack.enter_context(closing(CallClient(service.port, path)))
            for service in (stage.service, stage.bare)
        )
        for by_http in (True, False):
            _step_through(parts, client, Stopwatch(), by_http)  # warmed up
        for _ in range(calls):
            for by_http in (True, False):
                with watch.stage(_HTTP):
                    bare.enqueue()
                _step_through(parts, client, watch, by_http)


def _step_through(parts: Insides, client: CallClient, watch: Stopwatch, by_http: bool) -> None:
    """Take a call from beginning to end, stored and fetched by HTTP or as the web process does."""
    if by_http:
        with watch.stage(_ACCEPT):
            client.enqueue()
    else:
        parts.accept(client.path, watch)
    call_id, container = parts.run_call(watch)
    if by_http:
        with watch.stage(_ANSWER):
            output = client.get_output(call_id)
    else:
        output = parts.answer(client.path, call_id, watch)
    parts.remove(container, watch)
    if output != PAYLOAD:
        raise BenchFailed(f"A call that was taken step by step gave {output[:100]!r}.")


def _step_rows(taken_ms: Mapping[str, Sequence[float]]) -> Iterator[Row]:
    way = (_ACCEPT, *insides.STEPS, _ANSWER)
    of_that = (insides.GET, insides.DELETE, insides.REMOVE)
    for name in (_HTTP, _ACCEPT, insides.CREATE, *insides.STEPS, _ANSWER, *of_that):
        yield _step_row(name, taken_ms)
    p50 = {name: percentile(taken, 50) for name, taken in taken_ms.items()}
    total = sum(p50[name] for name in way) - p50[_HTTP]
    rest = total - p50[insides.START]
    yield Row("the sum of a call's way, ms", [total], 2)
    yield _step_row(_WHOLE[False], taken_ms)
    yield Row("the sum without the start, ms", [rest], 2)
    yield _step_row(_WHOLE[True], taken_ms)
    yield Row("wakes, hand-overs, the rest, ms", [p50[_WHOLE[True]] - rest], 2)


def _docker_py_rows(stage: Stage, calls: int) -> list[Row]:
    options, watch = cat_container(stage), Stopwatch()
    with closing(stage.engine.make_client()) as client:
        run_container(client, options, Stopwatch())  # warmed up
        for _ in range(calls):
            run_container(client, options, watch)
    return [_step_row(name, watch.taken_ms) for name in watch.taken_ms]


def _step_row(name: str, taken_ms: Mapping[str, Sequence[float]]) -> Row:
    return Row(f"{name}, ms", middles(taken_ms[name]), 2)


MANAGEMENT = {"creating": measure_creating, "reading": measure_reading}
CALLS = {
    "enqueue": measure_accepting,
    "cold": measure_cold,
    "waiting": measure_waiting,
    "sustained": measure_sustained,
    "memory": measure_memory,
    "split": measure_split,
}
