"""`python -m bench`: measure, and print tables. Missed goals are said there, and are no failure.

FUNCSVC_REDIS_URL and DOCKER_HOST say where the services are; other settings keep their defaults.
"""

import argparse
import os
import platform
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from secrets import token_hex
from subprocess import SubprocessError

from docker.errors import DockerException
from redis import RedisError

from bench import BenchFailed, report
from bench.engine import Engine
from bench.load import CLIENTS, CONNECTIONS
from bench.parts import CALLS, MANAGEMENT, PARTS
from bench.redis_data import RedisData
from bench.stage import Stage, serve

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Run the benchmark from the command line."""
    arguments = _arguments()
    for number in _SIGNALS:
        signal.signal(number, _end)
    for program in ("wrk", "docker"):
        if shutil.which(program) is None:
            raise BenchFailed(f"{program} isn't installed.")
    with ExitStack() as stack:
        stage = _set_up(stack, arguments)
        machine = _machine(stage)
        print(f"{machine}\nThe load average at the start is {os.getloadavg()[0]:.1f}.", flush=True)
        numbers = {"rounds": stage.rounds, "clients": CLIENTS, "connections": CONNECTIONS}
        texts: list[str] = []
        curves: dict[str, Sequence[float]] = {}
        for name in arguments.names:
            start = time.monotonic()
            section = PARTS[name](stage)
            texts.append(section.text(PARTS[name].__doc__ or name, **numbers))
            curves |= section.curves
            print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
            print(f"\n{texts[-1]}", flush=True)
        if arguments.write:
            report.write_page(texts, curves, machine, shlex.join(sys.argv[1:]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=("management", "calls"), help="by default both")
    parser.add_argument("--rounds", type=int, choices=range(3, 8), default=5)
    parser.add_argument("--quick", action="store_true", help="one short round: to try it")
    parser.add_argument(
        "--parts", nargs="+", choices=CALLS, default=CALLS, help="of the calls; by default all"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md too")
    arguments = parser.parse_args()
    if arguments.write and arguments.only == "management":
        parser.error("--write needs the calls to be measured.")
    management = MANAGEMENT if arguments.only != "calls" else ()
    calls = arguments.parts if arguments.only != "management" else ()
    arguments.names = [name for name in PARTS if name in {*management, *calls}]
    return arguments


def _end(number: int, _: object) -> None:
    """Clear everything away, which is short, and which no other signal is to disturb."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _set_up(stack: ExitStack, arguments: argparse.Namespace) -> Stage:
    """Start everything; the stack takes it away again, however it ends."""
    given = os.environ
    environment = {name: text for name, text in given.items() if not name.startswith("FUNCSVC_")}
    run_id = f"funcsvc-bench-{token_hex(4)}"
    environment["FUNCSVC_REDIS_URL"] = given.get("FUNCSVC_REDIS_URL", "redis://127.0.0.1:6379/0")
    environment["FUNCSVC_REDIS_PREFIX"] = f"{run_id}:"
    environment.setdefault("DOCKER_HOST", "unix:///var/run/docker.sock")
    data = RedisData(environment["FUNCSVC_REDIS_URL"], f"{run_id}:")
    stack.callback(data.clear)
    engine = Engine(environment["DOCKER_HOST"], run_id)
    stack.enter_context(engine.image())
    return Stage(
        rounds=1 if arguments.quick else arguments.rounds,
        is_quick=arguments.quick,
        environment=environment,
        web=stack.enter_context(serve("wsgi:app", environment)),
        bare=stack.enter_context(serve("bench.bare:app", environment)),
        data=data,
        engine=engine,
    )


def _machine(stage: Stage) -> str:
    """Say what is measured on, and with what."""
    cores, python = len(os.sched_getaffinity(0)), platform.python_version()
    packages = ", ".join(f"{name} {version(name)}" for name in ("Flask", "gunicorn", "redis"))
    redis = stage.data.info()["redis_version"]
    engine = stage.engine.client.version()["Version"]
    command = stage.engine.docker("version", "--format", "{{.Client.Version}}").decode().strip()
    return (
        f"{cores} cores, Python {python}, {packages}, Redis {redis}, Docker Engine {engine}, "
        f"docker command {command}"
    )


def reasons(failure: BaseException | None) -> Iterator[str]:
    """Yield why it failed, the last first: clearing up after a failure can fail, too."""
    while failure is not None:
        yield str(failure) or type(failure).__name__
        failure = failure.__context__


if __name__ == "__main__":
    try:
        main()
    except (BenchFailed, AssertionError, SubprocessError, RedisError, DockerException) as failure:
        sys.exit(f"The benchmark failed: {', while dealing with: '.join(reasons(failure))}")
