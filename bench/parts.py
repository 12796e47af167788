"""The parts of the benchmark. The docstring of each goes onto the page, its title first.

What stands there in braces is in the section's `numbers`, or the same for all.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

import docker
import requests

from bench import BenchFailed, contenders, load
from bench.contenders import started, take_turns
from bench.engine import run_container
from bench.insides import Insides
from bench.load import Run, Times, percentile, timed
from bench.report import Curves, Row, Section, latency_rows, middles, ratio_rows
from bench.stage import Stage, Worker
from dev.machine.waiting import NotInTime
from funcsvc.model import MEGABYTE

_ENOUGH_CREATES, _ENOUGH_CALLS = 100_000, 2_000
"""Growth that fewer can't show is not judged."""

_MAX_MORE_RUNS = 10
_HTTP = "web: HTTP alone: the bare route"
_REST_SECONDS = 0.02
"""What the web process still does after its answer isn't to be in the way."""


def measure_creating(stage: Stage) -> Section:
    """Creating funcs

    `POST /funcs/create` by wrk over {connections} connections, each a func of a new name; the same
    to one bare Flask route, which does one SET NX; and the engine's own creates of containers.
    {rounds} rounds of {seconds} s runs in turns.
    """
    redis_rows = [*_redis_rows(stage)]
    for service in (stage.bare, stage.web):
        contenders.create_funcs(stage, service)  # warmed up
    before = _resident(_web_workers(stage))
    taken = take_turns(stage, "creating", stage.rounds)
    creates = sum(run.requests for name, runs in taken.items() if "funcsvc" in name for run in runs)
    for _ in range(stage.pick(_MAX_MORE_RUNS, 0)):
        if creates < _ENOUGH_CREATES:
            creates += contenders.create_funcs(stage, stage.web).requests
    enough, later = creates >= _ENOUGH_CREATES, f"{creates:,} requests later"
    held_rows = [*_held_rows(before, later, "growth", enough, goal="under 80")]
    also = {"funcsvc: 100,000 stored": taken["funcsvc, 100,000 stored"], "none": taken["funcsvc"]}
    tails = {name: [run.p99_ms / run.p50_ms for run in runs] for name, runs in taken.items()}
    ratios = ratio_rows(_rates({**taken, **also}))
    rows = [*_rows_by_wrk("creates a second", taken), *_rows("p99 / p50", tails, 1), *ratios]
    return Section([*rows, *redis_rows, *held_rows], {"seconds": stage.pick(10, 2)})


def _redis_rows(stage: Stage) -> Iterator[Row]:
    """Yield what a func takes, by two ways of counting."""
    many, used_memory = contenders.MANY, []
    for funcs in (1, many + 1):
        stage.store_funcs(funcs)
        used_memory.append(stage.data.info()["used_memory"])
    of_keys = stage.data.func_bytes("helloworld-0", many)
    stage.data.clear()
    grown = (used_memory[1] - used_memory[0]) / many
    yield Row("Redis bytes a func: its key and its share of the index", [of_keys])
    yield Row("Redis bytes a func: used_memory over 100,000", [grown])


def measure_reading(stage: Stage) -> Section:
    """Reading

    `GET /funcs/NAME` by wrk over {connections} connections, and one bare Flask route, which does
    one GET; a page of many funcs, and of few; and signed and open requests over one connection.
    {rounds} rounds of {seconds} s runs in turns.
    """
    with started(stage, "web with keys"):
        taken = take_turns(stage, "reading", stage.rounds)
    stage.data.clear()
    pairs = zip(*(taken[f"inspect, {way}, one client"] for way in ("open", "signed")), strict=True)
    costs = [signed.p50_ms - plain.p50_ms for plain, signed in pairs]
    cost = Row("a signature's cost, ms (p50)", costs, 2)
    rows = [*_rows("a second", _rates(taken)), *ratio_rows(_rates(taken)), cost]
    return Section(rows, {"seconds": stage.pick(5, 2)})


def measure_accepting(stage: Stage) -> Section:
    """Accepting calls

    `POST /call/NAME/UUID` with 64 bytes by wrk over {connections} connections, with no worker, so
    that the queue only grows; and the same to one bare Flask route under the same gunicorn
    settings, which reads the body, answers a short JSON and uses no Redis.
    {rounds} rounds of {seconds} s runs in turns.
    """
    for service in (stage.bare, stage.web):
        contenders.accept_calls(stage, service)  # warmed up
    taken = take_turns(stage, "enqueue", stage.rounds)
    stage.data.clear()
    rows = [*_rows_by_wrk("accepted a second", taken), *ratio_rows(_rates(taken), "rate: ")]
    return Section(rows, {"seconds": stage.pick(6, 2)})


def _rates(taken: Mapping[str, Sequence[Run]]) -> dict[str, list[float]]:
    return {name: [run.rate for run in runs] for name, runs in taken.items()}


def _rows(what: str, values: Curves, decimals: int = 0) -> list[Row]:
    return [Row(f"{what}: {name}", values[name], decimals) for name in values]


def _rows_by_wrk(what: str, taken: Mapping[str, Sequence[Run]]) -> list[Row]:
    rows = _rows(what, _rates(taken))
    for name, runs in taken.items():
        rows.append(Row(f"p50, ms: {name}", [run.p50_ms for run in runs], 1))
        rows.append(Row(f"p99, ms: {name}", [run.p99_ms for run in runs], 1))
    return rows


def measure_cold(stage: Stage) -> Section:
    """A call without waiting instances

    A call of `cat` with 64 bytes through gunicorn, `/sync`, by one client on a kept connection,
    and `docker run --rm -i IMAGE cat` with the same bytes, in turns: {calls} of each. Each begins
    when no container of the one before is left.
    """
    calls = stage.pick(200, 5)
    with started(stage, "cold worker"):
        take_turns(stage, "cold", 3)  # warmed up
        taken = take_turns(stage, "cold", calls)
    return Section([*latency_rows(taken)], {"calls": calls}, taken)


def measure_waiting(stage: Stage) -> Section:
    """A call with instances waiting

    The same call with instances waiting, in turns with `docker run --rm -i IMAGE cat` and with
    `docker exec -i CONTAINER cat` into one container that stays: {calls} of each. Each begins when
    an instance waits and no other is made or removed. Which calls met one is what the worker
    logged. 1 MB is of random bytes, and in turns of text in lines of 64 bytes, each of which the
    engine logs by itself.
    """
    calls, large_calls = stage.pick(300, 10), stage.pick(100, 5)
    with started(stage, "warm worker") as worker, started(stage, "shared container"):
        take_turns(stage, "waiting", 3)  # warmed up
        met = [worker.count_met()]
        small = take_turns(stage, "waiting", calls)
        met.append(worker.count_met())
        large = take_turns(stage, "waiting, 1 MB", large_calls)
        met.append(worker.count_met())
        bursts = take_turns(stage, "waiting, bursts", stage.pick(3, 1))["burst of 10"]
        idle_rows = [*_idle_rows(stage, worker)]
    burst_ms = [ms for taken_ms, _ in bursts for ms in taken_ms]
    rows = [
        Row(f"of {calls} calls met a waiting instance", [met[1] - met[0]]),
        *latency_rows(small),
        Row(f"of {2 * large_calls} calls with 1 MB met a waiting instance", [met[2] - met[1]]),
        *latency_rows(large),
        Row(
            f"of {len(burst_ms)} calls in bursts met a waiting instance",
            [sum(n for _, n in bursts)],
        ),
        *_burst_rows(stage, burst_ms, percentile(small["docker run"], 50)),
        *idle_rows,
    ]
    return Section(rows, {"calls": calls}, {**small, **large, "burst of 10": burst_ms})


def _burst_rows(stage: Stage, burst_ms: Sequence[float], run_ms: float) -> Iterator[Row]:
    seconds = stage.pick(*contenders.LEAD_SECONDS)
    name = f"burst of 10 at once, after {seconds} s of 2 calls a second"
    yield from latency_rows({name: burst_ms})
    ratio = percentile(burst_ms, 99) / run_ms
    yield Row("p99 of a burst of 10 / p50 of docker run", [ratio], 2)


def _idle_rows(stage: Stage, worker: Worker) -> Iterator[Row]:
    """Yield what a few waiting instances take: the starter, its shim, by the engine's account."""
    stage.settle()
    taken = defaultdict(list)
    for container in sorted(stage.engine.list_running(worker.service))[:3]:
        # One that was retired meanwhile has no process, and the engine answers nothing about it.
        with suppress(docker.errors.NotFound, requests.JSONDecodeError, FileNotFoundError):
            for what, megabytes in _memory_of(stage.engine.client, container).items():
                taken[what].append(megabytes)
    if not taken:
        raise BenchFailed("No instance waits.")
    yield from _rows("MB an instance that waits", taken, 2)


def _memory_of(client: docker.APIClient, container: str) -> dict[str, float]:
    """Return the memory of a container's starter, of its shim, and by the engine's account."""
    starter = int(client.inspect_container(container)["State"]["Pid"])
    shim = int(Path(f"/proc/{starter}/stat").read_text().rpartition(")")[2].split()[1])
    taken = {
        f"{who}, {what.upper()}": _megabytes(pid, what)
        for who, pid in (("starter", starter), ("shim", shim))
        for what in ("Rss", "Pss")
    }
    stats = client.stats(container, stream=False, one_shot=True)
    return {**taken, "cgroup": stats["memory_stats"]["usage"] / MEGABYTE}


def measure_sustained(stage: Stage) -> Section:
    """Calls by the second, {clients} at once

    {clients} clients call `cat` with 64 bytes and wait for its output, again and again; and
    {clients} threads of one process create, attach, start, feed, read to the end, wait and remove
    the same containers straight through docker-py (limits, hardening and log driver alike, `cat`
    in the starter's place). {rounds} rounds of {seconds} s phases in turns; a phase lasts until
    its last container is removed. Calls that met what waited before a phase don't count, unless
    it was made again in it.
    """
    rates = take_turns(stage, "sustained", stage.rounds)
    rows = [*_rows("a second", rates, 2), *ratio_rows(rates)]
    return Section(rows, {"seconds": stage.pick(15, 5)})


def measure_memory(stage: Stage) -> Section:
    """Memory

    Resident memory and open descriptors of each process, warmed up, and after calls of `cat` by
    {clients} clients, without waiting instances; and the containers that are there when the last
    one was answered and a moment has passed.
    """
    calls = stage.pick(2_000, 40)
    with started(stage, "cold worker") as worker:
        pids = {"gunicorn": stage.web.pid, **_web_workers(stage), "worker": worker.server.pid}
        for number in (min(100, calls), calls):  # the first warm up
            before, opened = _resident(pids), [_descriptors(pid) for pid in pids.values()]
            load.call_at_once(stage.web, worker.path, load.for_count(number))
            with suppress(NotInTime):  # how many are left then is the figure
                worker.settle()
        left, enough = len(stage.engine.states(worker.service)), calls >= _ENOUGH_CALLS
        growth = f"growth over the last {calls:,}"
        rows = [*_held_rows(before, f"{calls:,} calls later", growth, enough)]
        for (name, pid), first in zip(pids.items(), opened, strict=True):
            more = _descriptors(pid) - first
            verdict = ("yes" if more / calls < 0.01 else "**no**") if enough else "not judged"
            figure = f"{name}: descriptors more than the {first} at first"
            rows.append(Row(figure, [more], 0, "none a call", verdict))
    return Section([*rows, Row("containers left", [left])])


def _web_workers(stage: Stage) -> dict[str, int]:
    """Return the ids of gunicorn's workers; one that is replaced by another can't be read."""
    return {f"web worker {n}": pid for n, pid in enumerate(sorted(stage.web.worker_pids()), 1)}


def _resident(pids: Mapping[str, int]) -> dict[str, tuple[int, float]]:
    """Return the id of each process, and the MB of its resident memory."""
    return {name: (pid, _megabytes(pid, "Rss")) for name, pid in pids.items()}


def _megabytes(pid: int, name: str) -> float:
    """Return one of the sums of a process's memory; see proc(5), smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _descriptors(pid: int) -> int:
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def _held_rows(
    before: Mapping[str, tuple[int, float]], later: str, growth: str, enough: bool, goal: str = ""
) -> Iterator[Row]:
    """Yield the memory that each process had before, and has now."""
    for name, (pid, first) in before.items():
        last, verdict = _megabytes(pid, "Rss"), "" if enough else "not judged"
        yield Row(f"{name}: resident MB, warmed up", [first], 1)
        yield Row(f"{name}: resident MB, {later}", [last], 1, goal)
        percent = (last / first - 1) * 100
        yield Row(f"{name}: {growth}, %", [percent], 1, "flat: under 5", verdict)


def measure_split(stage: Stage) -> Section:
    """Where the time goes

    {calls} calls of `cat` with 64 bytes in which the benchmark stands in the worker's place and
    takes the time of each step, with funcsvc's own parts; every other call is stored and fetched
    without HTTP. Between the halves, {calls} whole calls with a real worker, and as many with
    instances waiting. The sum has the HTTP exchange once, as `/sync` has; what the whole call takes
    besides are wakes and hand-overs between processes and threads. Last, the engine's steps by
    docker-py alone, `cat` in the starter's place: its end is the container's.
    """
    half, times, whole = stage.pick(25, 3), Times(), Times()
    _take_steps(stage, times, half)
    for name in ("cold worker", "warm worker"):
        with started(stage, name) as worker:
            worker.call()  # warmed up
            for _ in range(2 * half):
                worker.settle()
                whole.setdefault(name, []).append(worker.call())
    _take_steps(stage, times, half)
    client, options, docker_py = stage.engine.client, contenders.cat_container(stage), Times()
    run_container(client, options, Times())  # warmed up
    for _ in range(2 * half):
        run_container(client, options, docker_py)
    rows = [*_step_rows(times), *_sum_rows(times, *whole.values()), *_step_rows(docker_py)]
    return Section(rows, {"calls": 2 * half})


def _take_steps(stage: Stage, times: Times, calls: int) -> None:
    path = stage.create_cat()
    with (
        ExitStack() as stack,
        stage.web.connection(load.TIMEOUT_SECONDS) as web,
        stage.bare.connection(load.TIMEOUT_SECONDS) as bare,
    ):
        parts = Insides(stage.environment, path, stack)
        _step_through_two(parts, path, (web, bare), Times())  # warmed up
        for _ in range(calls):
            _step_through_two(parts, path, (web, bare), times)


def _step_through_two(
    parts: Insides, path: str, connections: tuple[HTTPConnection, HTTPConnection], times: Times
) -> None:
    """Take two calls: one stored and fetched by HTTP, the other as the web process does it."""
    web, bare = connections
    with timed(times, _HTTP):
        load.ask(bare, "POST", f"/call/{path}", load.PAYLOAD)
    with timed(times, "web and Redis: accept, by HTTP"):
        load.ask(web, "POST", f"/call/{path}", load.PAYLOAD)
    time.sleep(_REST_SECONDS)
    parts.accept(times)
    call_id, container = parts.run_call(times)
    with timed(times, "web and Redis: answer and remove, by HTTP"):
        load.check_output(load.ask(web, "GET", f"/output/{path}/{call_id}").body)
    parts.remove(container, Times())
    call_id, container = parts.run_call(times)
    load.check_output(parts.answer(call_id, times))
    parts.remove(container, times)


def _step_rows(times: Times) -> list[Row]:
    return [Row(f"{name}, ms", middles(taken), 2) for name, taken in times.items()]


def _sum_rows(times: Times, cold: Sequence[float], warm: Sequence[float]) -> Iterator[Row]:
    """Yield what the steps of a call's way take together, beside whole calls."""
    p50 = {name: percentile(taken, 50) for name, taken in times.items()}
    way = [name for name in p50 if "of that" not in name and "off the path" not in name]
    total = sum(p50[name] for name in way) - 2 * p50[_HTTP]
    rest = total - p50["engine: an instance: create, attach, start"]
    yield Row("the sum of a call's way, ms", [total], 2)
    yield Row("the whole call, `/sync`, none waiting, ms", middles(cold), 2)
    yield Row("the sum without the start, ms", [rest], 2)
    yield Row("the whole call, `/sync`, one waiting, ms", middles(warm), 2)
    yield Row("wakes, hand-overs, the rest, ms", [percentile(warm, 50) - rest], 2)


PARTS = {
    "creating": measure_creating,
    "reading": measure_reading,
    "enqueue": measure_accepting,
    "cold": measure_cold,
    "waiting": measure_waiting,
    "sustained": measure_sustained,
    "memory": measure_memory,
    "split": measure_split,
}
MANAGEMENT, CALLS = [*PARTS][:2], [*PARTS][2:]
