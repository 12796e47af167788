"""All that the benchmark takes from inside funcsvc: the steps of a call, and its container.

For the first it stands in the worker's place; the second is what docker-py is measured with.
"""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from secrets import token_hex
from typing import Any

from bench import BenchFailed
from bench.engine import IMAGE
from bench.load import PAYLOAD, Times, timed
from funcsvc import model
from funcsvc.config import load_settings
from funcsvc.engine import DockerWorkerEngine, OutputReader, command_of, make_frame
from funcsvc.engine.containers.options import Wanted, container_options
from funcsvc.schemas import load_func
from funcsvc.store import open_stores

_RUN_SECONDS = 30


class Insides:
    """What a web process and a worker are made of, each step by itself. `path` is NAME/UUID."""

    def __init__(self, environment: Mapping[str, str], path: str, stack: ExitStack) -> None:
        self._name, self._uuid = path.split("/")
        settings = load_settings(environment)
        stores = open_stores(settings)
        stack.callback(stores.close)
        self._engine = DockerWorkerEngine(settings)
        self._calls, self._queue = stores.calls, stores.open_queue(self._engine.find_id())
        self._engine.prepare(self._queue.get_service(), self._queue.worker)

    def accept(self, times: Times) -> None:
        """Store a call, as the web process does."""
        call_id, environment = f"bench-{token_hex(8)}", [b"REQUEST_METHOD=POST"]
        call = model.NewCall(call_id, self._name, self._uuid, PAYLOAD, environment, max_running=0)
        with timed(times, "Redis, of that: create_call"):
            self._calls.create_call(call)

    def answer(self, call_id: str, times: Times) -> bytes:
        """Fetch a call's output and remove the call, as the web process does."""
        with timed(times, "Redis, of that: get_call"):
            output = self._calls.get_call(self._name, call_id).output
        with timed(times, "Redis, of that: delete_call"):
            self._calls.delete_call(call_id)
        return output

    def run_call(self, times: Times) -> tuple[str, str]:
        """Run the pending call, as a worker does; return its id and its container's name."""
        token, name, nonce = self._queue.new_token(), f"funcsvc-{token_hex(16)}", token_hex(16)
        with timed(times, "Redis: reserve_call"):
            call = self._queue.reserve_call(token)
        if call is None:
            raise BenchFailed("The call that was accepted is not in the queue.")
        with timed(times, "worker: read the definition"):
            func = load_func(call.definition)
        with timed(times, "engine: an instance: create, attach, start"):
            instance = self._engine.start_instance(name, func, self._engine.get_image(func))
        with closing(instance):
            with timed(times, "Redis: begin_call"):
                self._queue.begin_call(token, name, nonce, waited=False)
            with timed(times, "engine: the frame in, output and final mark out"):
                words = command_of(instance.func, instance.image)
                frame = make_frame(nonce, words, call.environment, call.payload, terminal=False)
                instance.send(frame, _RUN_SECONDS)
                reader = OutputReader(nonce, model.MAX_OUTPUT_BYTES)
                while not reader.ending:
                    instance.read_into(reader, _RUN_SECONDS)
            with timed(times, "Redis: end_call"):
                output, short = reader.stdout, reader.stdout[: model.SHORT_BYTES]
                self._queue.end_call(token, model.Outcome(output=output, short_stdout=short))
        return call.id, name

    def remove(self, name: str, times: Times) -> None:
        with timed(times, "engine, off the path: remove the container"):
            self._engine.remove(name)


def container_of(definition: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what funcsvc creates a call's container with, with `cat` in the starter's place."""
    size = model.SIZES[model.DEFAULT_SIZE]
    wanted = Wanted(
        func=load_func(definition),
        image=model.Image(IMAGE, (), ()),
        capacity=model.Capacity(1, size.memory_bytes),
        settings=load_settings({}),
        starter_volume="",
        labels=labels,
    )
    options = container_options(wanted)
    del options["Entrypoint"], options["HostConfig"]["Mounts"]
    return {**options, "Cmd": ["cat"]}
