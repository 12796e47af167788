"""All that the benchmark takes from inside funcsvc: the steps of a call, and its container.

For the first it stands in the worker's place; the second is what docker-py is measured with.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from secrets import token_hex
from typing import Any

from bench import BenchFailed
from bench.engine import IMAGE
from bench.load import PAYLOAD, Stopwatch
from funcsvc.config import load_settings
from funcsvc.engine import Deadline, Instance, OutputReader, WorkerEngine, command_of, make_frame
from funcsvc.engine.containers.options import Wanted, container_options
from funcsvc.model import (
    DEFAULT_SIZE,
    MAX_OUTPUT_BYTES,
    SHORT_BYTES,
    SIZES,
    Capacity,
    Image,
    NewCall,
    Outcome,
    ReservedCall,
)
from funcsvc.store import BlockingClient, CallQueue, CallStore, RedisClient
from funcsvc.worker.instance_supply import load_func

CREATE = "Redis, of that: create_call"
RESERVE = "Redis: reserve_call"
LOAD = "worker: read the definition"
START = "engine: an instance: create, attach, start"
BEGIN = "Redis: begin_call"
RUN = "engine: the frame in, output and final mark out"
END = "Redis: end_call"
GET = "Redis, of that: get_call"
DELETE = "Redis, of that: delete_call"
REMOVE = "engine, off the path: remove the container"

STEPS = (RESERVE, LOAD, START, BEGIN, RUN, END)
"""A worker's, in order, while somebody waits for the call."""

_RUN_SECONDS = 30


class Insides:
    """What a web process and a worker are made of, each step by itself. The stack closes it."""

    def __init__(self, environment: Mapping[str, str], stack: ExitStack) -> None:
        settings = load_settings(environment)
        client = RedisClient(
            settings.redis_url, timeout_seconds=settings.redis_timeout_seconds, max_connections=4
        )
        stack.callback(client.close)
        blocking = BlockingClient(settings, 1)
        stack.callback(blocking.close)
        self._engine = WorkerEngine(settings)
        self._calls = CallStore(client, blocking, settings)
        self._queue = CallQueue(client, blocking, settings, self._engine.find_id())
        self._engine.prepare(self._queue.get_service(), self._queue.worker)

    def accept(self, path: str, watch: Stopwatch) -> None:
        """Store a call of the func whose path is NAME/UUID, as the web process does."""
        name, uuid = path.split("/")
        environment = [b"REQUEST_METHOD=POST"]
        call = NewCall(f"bench-{token_hex(8)}", name, uuid, PAYLOAD, environment, max_running=0)
        with watch.stage(CREATE):
            self._calls.create_call(call)

    def answer(self, path: str, call_id: str, watch: Stopwatch) -> bytes:
        """Fetch a call's output and remove the call, as the web process does."""
        with watch.stage(GET):
            output = self._calls.get_call(path.split("/")[0], call_id).output
        with watch.stage(DELETE):
            self._calls.delete_call(call_id)
        return output

    def run_call(self, watch: Stopwatch) -> tuple[str, str]:
        """Run the pending call, as a worker does; return its id and its container's name."""
        token, name, nonce = self._queue.new_token(), f"funcsvc-{token_hex(16)}", token_hex(16)
        with watch.stage(RESERVE):
            call = self._queue.reserve_call(token)
        if call is None:
            raise BenchFailed("The call that was accepted is not in the queue.")
        with watch.stage(LOAD):
            func = load_func(call.definition)
        with watch.stage(START):
            instance = self._engine.start_instance(name, func, self._engine.get_image(func))
        with closing(instance):
            with watch.stage(BEGIN):
                self._queue.begin_call(token, name, nonce, waited=False)
            with watch.stage(RUN):
                output = _exchange(instance, nonce, call)
            with watch.stage(END):
                outcome = Outcome(output=output, short_stdout=output[:SHORT_BYTES])
                self._queue.end_call(token, outcome)
        return call.id, name

    def remove(self, name: str, watch: Stopwatch) -> None:
        """Remove a container, as a worker does."""
        with watch.stage(REMOVE):
            self._engine.instances.remove(name)


def _exchange(instance: Instance, nonce: str, call: ReservedCall) -> bytes:
    """Send the frame, and read to the final mark."""
    command = command_of(instance.func, instance.image)
    frame = make_frame(nonce, command, call.environment, call.payload, terminal=False)
    instance.send(frame, Deadline(_RUN_SECONDS))
    reader = OutputReader(nonce, MAX_OUTPUT_BYTES)
    while not reader.ending:
        instance.read_into(reader, _RUN_SECONDS)
    return reader.stdout


def container_of(definition: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what funcsvc creates a call's container with, with `cat` in the starter's place."""
    size = SIZES[DEFAULT_SIZE]
    wanted = Wanted(
        func=load_func(definition),
        image=Image(IMAGE, (), ()),
        capacity=Capacity(1, size.memory_bytes),
        settings=load_settings({}),
        starter_volume="",
        labels=labels,
    )
    options = container_options(wanted)
    del options["Entrypoint"], options["HostConfig"]["Mounts"]
    return {**options, "Cmd": ["cat"]}
