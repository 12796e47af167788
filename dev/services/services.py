"""What every command does: find or start Redis and the engine, and take down what it started."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping

from dev.machine import places
from dev.machine.as_root import SEARCH_PATH
from dev.machine.processes import await_end, with_parent
from dev.services import engine, redis
from dev.services.children import Children

JOB_SECONDS = 20
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def find_missing(purpose: str, environment: MutableMapping[str, str]) -> list[str]:
    """Return what has to be started; for the rest the environment says where it is."""
    found = {
        redis.REDIS: redis.find(purpose, environment),
        engine.ENGINE: engine.find(environment),
    }
    return [name for name, is_there in found.items() if not is_there]


@contextlib.contextmanager
def services(purpose: str, programs: Mapping[str, list[str]] | None = None) -> Iterator[Children]:
    """Have a Redis and an engine, and take down at the end what was started.

    The children's environment says where both are. The programs are described, and not started;
    the last of them is ended first.
    """
    _end_on_signals()
    environment = {**os.environ, "PATH": SEARCH_PATH}
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(places.hold(purpose))
        stack.callback(places.remove, places.make_runtime_folder(purpose))
        children = Children(purpose, held, environment)
        missing = find_missing(purpose, environment)
        own_redis = redis.add(children) if redis.REDIS in missing else None
        own_engine = engine.add(children) if engine.ENGINE in missing else None
        if own_engine:
            stack.callback(own_engine.clear)
        for name, command in (programs or {}).items():
            children.add(name, command, autostart=False, to_terminal=True)
        stack.callback(children.stop)
        stack.callback(_ignore_signals)
        children.start()
        if own_redis:
            redis.wait(children, own_redis)
        if own_engine:
            engine.wait(children, own_engine)
        yield children


def _end_on_signals() -> None:
    """Unwind at each signal that ends a command; at Ctrl-C too where a script began it with `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def _ignore_signals() -> None:
    """Let a second Ctrl-C not end the taking down, which has deadlines of its own."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def run_job(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the command's main job in the terminal, and return its exit status.

    It gets a chance to end well on Ctrl-C, which it saw itself, and on SIGTERM, which it did not.
    """
    job = subprocess.Popen(with_parent("TERM", *command), cwd=places.ROOT, env=environment)
    try:
        return job.wait()
    except KeyboardInterrupt:
        await_end(job, JOB_SECONDS)
        raise
    finally:
        if job.poll() is None:
            job.send_signal(signal.SIGINT)
            await_end(job, JOB_SECONDS)
