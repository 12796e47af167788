"""Where a call's time goes: the benchmark takes the worker's place, and times each step of the way.

Every other call is stored and answered without the web process, to see Redis's share alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from secrets import token_hex
from typing import NamedTuple

from funcsvc.worker.instance_supply import load_func

from bench.calls.churn import STAGES, make_client, run_container, same_options
from bench.calls.client import PAYLOAD, CallAddress, CallClient
from bench.calls.pacer import Pacer
from bench.calls.section import Section, blocks, p50
from bench.calls.stage import Stage
from bench.calls.stopwatch import Stopwatch
from bench.report import Row
from bench.runs import BenchFailed
from funcsvc.config import load_settings
from funcsvc.engine.connection import Deadline
from funcsvc.engine.containers.instance import Instance
from funcsvc.engine.containers.options import command_of
from funcsvc.engine.containers.protocol import OutputReader, make_frame
from funcsvc.engine.worker_engine import WorkerEngine
from funcsvc.model import MAX_OUTPUT_BYTES, SHORT_BYTES, NewCall, Outcome
from funcsvc.store import BlockingClient, CallQueue, CallStore, RedisClient

_RUN_SECONDS = 30

BARE = "HTTP alone: the bare route"
COLD, WARM = "the whole call, `/sync`, none waiting", "the whole call, `/sync`, one waiting"
ACCEPT, ANSWER = "accept, by HTTP", "answer and remove, by HTTP"
CREATE, GET, DELETE = "create_call", "get_call", "delete_call"
RESERVE, BEGIN, END = "reserve_call", "begin_call", "end_call"
LOAD, START = "read the definition", "an instance: create, attach, start"
RUN, REMOVE = "the frame in, output and final mark out", "remove the container"

_ON_THE_WAY = (ACCEPT, RESERVE, LOAD, START, BEGIN, RUN, END, ANSWER)
_FIGURES: Mapping[str, str] = {
    BARE: "web",
    ACCEPT: "web and Redis",
    CREATE: "Redis, of that",
    RESERVE: "Redis",
    LOAD: "worker",
    START: "engine",
    BEGIN: "Redis",
    RUN: "engine",
    END: "Redis",
    ANSWER: "web and Redis",
    GET: "Redis, of that",
    DELETE: "Redis, of that",
    REMOVE: "engine, off the path",
}

_HOW = (
    "{calls} calls of `cat` with 64 bytes, one at a time, in which the benchmark stands in the "
    "worker's place and takes the time of each step, with funcsvc's own parts; every other call is "
    "stored and fetched without HTTP. Between the two halves of them, {calls} whole calls with a "
    "real worker, and as many with instances waiting. The sum has the HTTP exchange once, as "
    "`/sync` has; what the whole call takes beside it are wakes and hand-overs between processes "
    "and threads. Last, the engine's steps by "
    "docker-py alone, `cat` in the starter's place: its end is the container's."
)


class _Parts(NamedTuple):
    """What a worker is made of."""

    store: CallStore
    queue: CallQueue
    engine: WorkerEngine


def measure(stage: Stage) -> Section:
    """Measure; raises BenchFailed at the first wrong output."""
    address, watch = stage.create_func(), Stopwatch()
    half = (stage.plan.split_calls + 1) // 2
    _take_steps(stage, address, watch, half)
    _take_whole_calls(stage, address, watch, 2 * half)
    _take_steps(stage, address, watch, half)
    how = _HOW.format(calls=2 * half)
    return Section("Where the time goes", how, [*_rows(watch), *_engine_rows(stage, 2 * half)])


def _take_whole_calls(stage: Stage, address: CallAddress, watch: Stopwatch, calls: int) -> None:
    with closing(CallClient(address)) as client:
        with stage.worker(waiting=False) as worker:
            client.call_sync()  # warmed up
            for _ in range(calls):
                stage.wait_until_quiet(worker)
                watch.taken_ms[COLD].append(client.call_sync())
        with stage.worker(waiting=True) as worker:
            pacer = Pacer(stage, worker)
            pacer.call(client)
            for _ in range(calls):
                watch.taken_ms[WARM].append(pacer.call(client))


def _take_steps(stage: Stage, address: CallAddress, watch: Stopwatch, calls: int) -> None:
    with ExitStack() as stack:
        parts = _make_parts(stage, stack)
        client = stack.enter_context(closing(CallClient(address)))
        bare = stack.enter_context(closing(CallClient(replace(address, port=stage.bare.port))))
        ways = (_Http(client), _Direct(parts.store, address))
        for way in ways:
            _step_through(parts, way, Stopwatch())  # warmed up
        for number in range(calls * 2):
            with watch.stage(BARE):
                bare.enqueue()
            _step_through(parts, ways[number % 2], watch)


def _make_parts(stage: Stage, stack: ExitStack) -> _Parts:
    settings = load_settings(stage.environment)
    client = RedisClient(
        settings.redis_url, timeout_seconds=settings.redis_timeout_seconds, max_connections=4
    )
    stack.callback(client.close)
    blocking = BlockingClient(settings, 1)
    stack.callback(blocking.close)
    engine = WorkerEngine(settings)
    queue = CallQueue(client, blocking, settings, engine.find_id())
    engine.prepare(queue.get_service(), queue.worker)
    return _Parts(CallStore(client, blocking, settings), queue, engine)


class _Http:
    """A call as clients make it."""

    def __init__(self, client: CallClient) -> None:
        self._client = client

    def accept(self, watch: Stopwatch) -> None:
        with watch.stage(ACCEPT):
            self._client.enqueue()

    def answer(self, call_id: str, watch: Stopwatch) -> bytes:
        with watch.stage(ANSWER):
            return self._client.get_output(call_id)


class _Direct:
    """A call as the web process stores and fetches it."""

    def __init__(self, store: CallStore, address: CallAddress) -> None:
        self._store = store
        self._address = address

    def accept(self, watch: Stopwatch) -> None:
        name, uuid, call_id = self._address.name, self._address.uuid, f"bench-{token_hex(8)}"
        call = NewCall(call_id, name, uuid, PAYLOAD, [b"REQUEST_METHOD=POST"], max_running=0)
        with watch.stage(CREATE):
            self._store.create_call(call)

    def answer(self, call_id: str, watch: Stopwatch) -> bytes:
        with watch.stage(GET):
            output = self._store.get_call(self._address.name, call_id).output
        with watch.stage(DELETE):
            self._store.delete_call(call_id)
        return output


def _step_through(parts: _Parts, way: _Http | _Direct, watch: Stopwatch) -> None:
    """Take one call from beginning to end; raises BenchFailed at a wrong output."""
    queue, engine = parts.queue, parts.engine
    way.accept(watch)
    token, name = queue.new_token(), engine.instances.new_name()
    with watch.stage(RESERVE):
        call = queue.reserve_call(token)
    if call is None:
        raise BenchFailed("The call that was accepted is not in the queue.")
    with watch.stage(LOAD):
        func = load_func(call.definition)
    with ExitStack() as stack:
        with watch.stage(START):
            instance = engine.start_instance(name, func, engine.get_image(func))
        stack.callback(instance.close)
        nonce = token_hex(16)
        with watch.stage(BEGIN):
            queue.begin_call(token, name, nonce, waited=False)
        with watch.stage(RUN):
            output = _exchange(instance, nonce, call.environment, call.payload)
        with watch.stage(END):
            queue.end_call(token, Outcome(output=output, short_stdout=output[:SHORT_BYTES]))
    answered = way.answer(call.id, watch)
    with watch.stage(REMOVE):
        engine.instances.remove(name)
    if answered != PAYLOAD:
        raise BenchFailed(f"A call stepped through gave {answered[:100]!r}.")


def _exchange(
    instance: Instance, nonce: str, environment: Sequence[bytes], payload: bytes
) -> bytes:
    """Send the frame, and read to the final mark."""
    command = command_of(instance.func, instance.image)
    frame = make_frame(nonce, command, environment, payload, terminal=False)
    instance.send(frame, Deadline(_RUN_SECONDS))
    reader = OutputReader(nonce, MAX_OUTPUT_BYTES)
    while not reader.ending:
        instance.read_into(reader, _RUN_SECONDS)
    return reader.stdout


def _rows(watch: Stopwatch) -> Iterator[Row]:
    taken = watch.taken_ms
    for name, who in _FIGURES.items():
        yield _row(f"{who}: {name}", taken[name])
    added = sum(p50(taken[name]) for name in _ON_THE_WAY) - p50(taken[BARE])
    yield Row("the sum of a call's way, ms", [added], "{:.2f}")
    yield _row(COLD, taken[COLD])
    added -= p50(taken[START])
    yield Row("the sum without the start, ms", [added], "{:.2f}")
    yield _row(WARM, taken[WARM])
    yield Row("wakes, hand-overs, the rest, ms", [p50(taken[WARM]) - added], "{:.2f}")


def _engine_rows(stage: Stage, calls: int) -> Iterator[Row]:
    options, watch = same_options(stage.image, stage.engine.run_id), Stopwatch()
    with closing(make_client(stage.engine.host)) as client:
        run_container(client, options, Stopwatch())  # warmed up
        for _ in range(calls):
            run_container(client, options, watch)
    for name in STAGES:
        yield _row(f"docker-py: {name}", watch.taken_ms[name])


def _row(figure: str, taken_ms: list[float]) -> Row:
    return Row(f"{figure}, ms", [p50(block) for block in blocks(taken_ms)], "{:.2f}")
