"""`python -m bench`: measure, and print tables. Missed goals are said there, and are no failure.

FUNCSVC_REDIS_URL and DOCKER_HOST say where the services are; other settings keep their defaults.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from bench import BenchFailed, report
from bench.docker_peers import DockerCommand
from bench.engine import Engine
from bench.parts import CALLS, MANAGEMENT
from bench.redis_data import RedisData
from bench.report import Section
from bench.servers import serve
from bench.stage import Stage
from dev.machine.waiting import NotInTime

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the benchmark from the command line."""
    arguments = _arguments()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if shutil.which("wrk") is None:
        raise BenchFailed("wrk isn't installed: `make bench` installs it.")
    with ExitStack() as stack, _undisturbed_end():
        stage = _set_up(stack, arguments)
        machine = _versions(stage)
        print(f"{report.processor()}, {machine}\n{report.load_line()}", flush=True)
        sections = [_measure(stage, name, part) for name, part in _parts(arguments)]
        if arguments.write:
            report.write_page(sections, machine, shlex.join(sys.argv[1:]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=("management", "calls"), help="by default both")
    parser.add_argument("--rounds", type=int, choices=range(3, 8), default=5)
    parser.add_argument("--quick", action="store_true", help="one short round: to try it")
    parser.add_argument(
        "--parts", nargs="+", choices=CALLS, default=[*CALLS], help="of the calls; by default all"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md too")
    arguments = parser.parse_args()
    if arguments.write and arguments.only == "management":
        parser.error("--write needs the calls to be measured.")
    return arguments


def _parts(arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[Stage], Section]]]:
    if arguments.only != "calls":
        yield from MANAGEMENT.items()
    if arguments.only != "management":
        yield from ((name, part) for name, part in CALLS.items() if name in arguments.parts)


def _set_up(stack: ExitStack, arguments: argparse.Namespace) -> Stage:
    """Start everything; the stack takes it away again, however it ends."""
    environment = _environment()
    prefix = environment["FUNCSVC_REDIS_PREFIX"]
    data = stack.enter_context(closing(RedisData(environment["FUNCSVC_REDIS_URL"], prefix)))
    data.version()  # it answers
    engine = stack.enter_context(closing(Engine(environment["DOCKER_HOST"], prefix.rstrip(":"))))
    stack.callback(data.clear)
    stack.enter_context(engine.image())
    return Stage(
        rounds=1 if arguments.quick else arguments.rounds,
        is_quick=arguments.quick,
        environment=environment,
        service=stack.enter_context(serve("wsgi:app", environment)),
        bare=stack.enter_context(serve("bench.bare:app", environment)),
        data=data,
        engine=engine,
        docker=DockerCommand(engine),
    )


def _environment() -> dict[str, str]:
    """Return the environment of the services: every setting but two has its default."""
    given = os.environ
    kept = {name: value for name, value in given.items() if not name.startswith("FUNCSVC_")}
    kept["FUNCSVC_REDIS_URL"] = given.get("FUNCSVC_REDIS_URL", "redis://127.0.0.1:6379/0")
    kept["FUNCSVC_REDIS_PREFIX"] = f"funcsvc-bench-{uuid.uuid4().hex[:8]}:"
    kept.setdefault("DOCKER_HOST", "unix:///var/run/docker.sock")
    return kept


def _versions(stage: Stage) -> str:
    redis, engine, docker = stage.data.version(), stage.engine.version(), stage.docker.version()
    return f"{report.versions()}, Redis {redis}, Docker Engine {engine}, docker command {docker}"


def _measure(stage: Stage, name: str, part: Callable[[Stage], Section]) -> Section:
    """Measure a part, and print it."""
    start = time.monotonic()
    section = part(stage)
    print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    print(f"\n{section.text()}", flush=True)
    return section


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
    except (BenchFailed, NotInTime) as failure:
        sys.exit(f"The benchmark failed: {failure}")
