"""`python -m bench`: measure, and print one table. Missed goals are said there, and are no failure.

FUNCSVC_REDIS_URL and DOCKER_HOST say where the services are; other settings keep their defaults.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from docker.errors import DockerException
from redis import RedisError

from bench.engine_peer import EnginePeer
from bench.machine import load_warning, machine_line
from bench.measure import ENOUGH_REQUESTS, Bench, Plan, Results
from bench.redis_data import RedisData
from bench.reads import KEYED, WITH_KEYS, ReadBench, Reads, reads_table
from bench.report import table
from bench.runs import CONNECTIONS, BenchFailed
from bench.service import serve

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the benchmark from the command line."""
    plan = _plan()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if shutil.which("wrk") is None:
        raise BenchFailed("wrk isn't installed: `make bench` installs it.")
    environment = _environment()
    print(
        f"{plan.rounds} interleaved rounds, {CONNECTIONS} keep-alive connections, "
        f"{plan.seconds:g} s a run; medians."
    )
    creates, reads = _measure(plan, environment)
    print(f"\n{table(creates)}\n\nReading:\n\n{reads_table(reads)}")


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, choices=range(3, 8), default=5)
    parser.add_argument("--quick", action="store_true", help="one round of 2 s runs: to try it")
    arguments = parser.parse_args()
    return Plan(1, 2, 0) if arguments.quick else Plan(arguments.rounds, 10, ENOUGH_REQUESTS)


def _environment() -> dict[str, str]:
    """Return the environment of the services: every setting but two has its default."""
    given = os.environ
    kept = {name: value for name, value in given.items() if not name.startswith("FUNCSVC_")}
    kept["FUNCSVC_REDIS_URL"] = given.get("FUNCSVC_REDIS_URL", "redis://127.0.0.1:6379/0")
    kept["FUNCSVC_REDIS_PREFIX"] = f"funcsvc-bench-{uuid.uuid4().hex[:8]}:"
    kept.setdefault("DOCKER_HOST", "unix:///var/run/docker.sock")
    return kept


def _measure(plan: Plan, environment: dict[str, str]) -> tuple[Results, Reads]:
    """Start everything, measure, and take everything away again, however it ends."""
    prefix = environment["FUNCSVC_REDIS_PREFIX"]
    with ExitStack() as stack, _undisturbed_end():
        data = RedisData(environment["FUNCSVC_REDIS_URL"], prefix)
        stack.callback(data.close)
        peer = EnginePeer(environment["DOCKER_HOST"], prefix.rstrip(":"))
        stack.callback(peer.close)
        print(machine_line(data.version(), peer.version()))
        print(load_warning() or "The machine was quiet at the start.", flush=True)
        stack.callback(data.clear)
        image = stack.enter_context(peer.image())
        service = stack.enter_context(serve("wsgi:app", environment, image))
        bare = stack.enter_context(serve("bench.bare:app", environment, image))
        creates = Bench(plan, service, bare, peer, data).measure(image)
        with serve("wsgi:app", {**environment, **WITH_KEYS}, image, KEYED) as keyed:
            return creates, ReadBench(plan, service, bare, keyed, data).measure(image)


@contextmanager
def _undisturbed_end() -> Iterator[None]:
    """Let the signals that ended the measuring not end the clearing away, which is short."""
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    try:
        main()
    except (BenchFailed, RedisError, DockerException, OSError) as failure:
        sys.exit(f"The benchmark failed: {failure}")
