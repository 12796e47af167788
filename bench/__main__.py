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
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from bench.calls.docker_cli import DockerCli
from bench.calls.engine import CallsEngine
from bench.calls.page import write_page
from bench.calls.parts import PARTS, measure
from bench.calls.section import Section
from bench.calls.stage import QUICK, CallPlan, Stage
from bench.engine_peer import EnginePeer
from bench.machine import load_warning, machine_line, versions_line
from bench.measure import ENOUGH_REQUESTS, Bench, Plan
from bench.reads import KEYED, WITH_KEYS, ReadBench, reads_table
from bench.redis_data import RedisData
from bench.report import table
from bench.runs import CONNECTIONS, BenchFailed
from bench.service import Service, serve

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MANAGEMENT, _CALLS = "management", "calls"


@dataclass(frozen=True)
class _Setting:
    """What everything is measured with."""

    environment: dict[str, str]
    image: str
    service: Service
    bare: Service
    peer: EnginePeer
    data: RedisData


def main() -> None:
    """Run the benchmark from the command line."""
    arguments = _arguments()
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if shutil.which("wrk") is None:
        raise BenchFailed("wrk isn't installed: `make bench` installs it.")
    with ExitStack() as stack, _undisturbed_end():
        setting = _set_up(stack, _environment())
        management, sections = [], []
        if arguments.only in (None, _MANAGEMENT):
            management = _measure_management(setting, arguments)
        if arguments.only in (None, _CALLS):
            sections = _measure_calls(stack, setting, arguments)
        if arguments.write:
            machine = versions_line(setting.data.version(), setting.peer.version())
            cli = DockerCli(setting.environment["DOCKER_HOST"], "", setting.image).version()
            machine = f"{machine}, docker command {cli}"
            write_page(sections, management, machine, shlex.join(sys.argv[1:]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=(_MANAGEMENT, _CALLS), help="by default both")
    parser.add_argument("--rounds", type=int, choices=range(3, 8), default=5)
    parser.add_argument("--quick", action="store_true", help="one short round: to try it")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=[*PARTS], help="of the calls; by default all"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md too")
    arguments = parser.parse_args()
    if arguments.write and arguments.only == _MANAGEMENT:
        parser.error("--write needs the calls to be measured.")
    return arguments


def _environment() -> dict[str, str]:
    """Return the environment of the services: every setting but two has its default."""
    given = os.environ
    kept = {name: value for name, value in given.items() if not name.startswith("FUNCSVC_")}
    kept["FUNCSVC_REDIS_URL"] = given.get("FUNCSVC_REDIS_URL", "redis://127.0.0.1:6379/0")
    kept["FUNCSVC_REDIS_PREFIX"] = f"funcsvc-bench-{uuid.uuid4().hex[:8]}:"
    kept.setdefault("DOCKER_HOST", "unix:///var/run/docker.sock")
    return kept


def _set_up(stack: ExitStack, environment: dict[str, str]) -> _Setting:
    """Start everything; the stack takes it away again, however it ends."""
    prefix = environment["FUNCSVC_REDIS_PREFIX"]
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
    return _Setting(environment, image, service, bare, peer, data)


def _measure_management(setting: _Setting, arguments: argparse.Namespace) -> list[str]:
    """Print the tables of the management API, and return them as parts of the page."""
    plan = Plan(1, 2, 0) if arguments.quick else Plan(arguments.rounds, 10, ENOUGH_REQUESTS)
    print(
        f"{plan.rounds} interleaved rounds, {CONNECTIONS} keep-alive connections, "
        f"{plan.seconds:g} s a run; medians."
    )
    service, bare, data = setting.service, setting.bare, setting.data
    creates = Bench(plan, service, bare, setting.peer, data).measure(setting.image)
    with serve("wsgi:app", {**setting.environment, **WITH_KEYS}, setting.image, KEYED) as keyed:
        reads = ReadBench(plan, service, bare, keyed, data).measure(setting.image)
    parts = [f"## Creating funcs\n\n{table(creates)}", f"## Reading\n\n{reads_table(reads)}"]
    print("", *parts, sep="\n\n", flush=True)
    return parts


def _measure_calls(
    stack: ExitStack, setting: _Setting, arguments: argparse.Namespace
) -> Sequence[Section]:
    """Print each section of the calls as it is measured, and return them."""
    run_id = setting.environment["FUNCSVC_REDIS_PREFIX"].rstrip(":")
    host = setting.environment["DOCKER_HOST"]
    engine = CallsEngine(host, run_id)
    stack.callback(engine.close)
    docker = DockerCli(host, run_id, setting.image)
    stage = Stage(
        plan=QUICK if arguments.quick else replace(CallPlan(), rounds=arguments.rounds),
        environment=setting.environment,
        image=setting.image,
        service=setting.service,
        bare=setting.bare,
        data=setting.data,
        engine=engine,
        docker=docker,
    )
    print(f"docker command {docker.version()}", flush=True)
    sections = []
    for section in measure(stage, arguments.parts):
        print(f"\n{section.text()}", flush=True)
        sections.append(section)
    return sections


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
    except BenchFailed as failure:
        sys.exit(f"The benchmark failed: {failure}")
