"""The Redis and the engine of a command: those that are there, or else its own.

Run as a program with a purpose, it prints which of `redis` and `engine` have to be started for it.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import docker
import docker.utils
import requests

from dev import servers
from dev.children import ChildFailed, Children
from dev.machine import places
from dev.machine.as_root import SEARCH_PATH
from dev.machine.bridge import NoBridge
from dev.machine.processes import await_end, with_parent

REDIS, ENGINE, OFFLINE = "redis", "engine", "engine-offline"
REDIS_URL, DOCKER_HOST = "FUNCSVC_REDIS_URL", "DOCKER_HOST"
JOB_SECONDS = 20

Environment = dict[str, str]


def connect(environment: Environment) -> docker.APIClient:
    """Return a client of the engine that DOCKER_HOST and friends name."""
    return docker.APIClient(timeout=60, **docker.utils.kwargs_from_env(environment=environment))


def _engine_answers(environment: Environment) -> bool:
    """Tell whether this user can give the engine commands."""
    try:
        with connect(environment) as client:
            return bool(client.ping())
    except (docker.errors.DockerException, requests.RequestException):
        return False


def _is_there(
    environment: Environment, variable: str, default: str, answers: Callable[[Environment], bool]
) -> bool:
    """Set the variable to the service that is there, if any; one that is named has to answer."""
    given = environment.get(variable)
    address = given or default
    if address and answers({**environment, variable: address}):
        environment[variable] = address
        return True
    if given:
        sys.exit(
            f"Nothing answers at the address in {variable}: "
            "start it, or unset the variable to get one here."
        )
    return False


def find_missing(purpose: str, environment: Environment) -> list[str]:
    """Return what has to be started; for the rest the environment says where it is."""
    # Tests and benchmarks write into somebody's Redis only when they were told which one.
    redis_url = "redis://127.0.0.1:6379/0" if purpose == "run" else ""
    engine_host = "unix:///var/run/docker.sock"
    found = {
        REDIS: _is_there(
            environment, REDIS_URL, redis_url, lambda given: servers.redis_answers(given[REDIS_URL])
        ),
        ENGINE: _is_there(environment, DOCKER_HOST, engine_host, _engine_answers),
    }
    return [name for name, is_there in found.items() if not is_there]


def _add_redis(children: Children) -> servers.RedisServer:
    folder = places.data_folder(children.purpose) / "redis"
    if children.purpose != "run":  # each run begins alike
        places.remove(folder)
    folder.mkdir(exist_ok=True)
    port = servers.free_port(6379 if children.purpose == "run" else 0)
    server = servers.RedisServer(folder, {"appendonly": "yes"}, port)
    children.environment[REDIS_URL] = server.url
    children.add(REDIS, server.command)
    return server


def _add_engine(children: Children) -> servers.EngineServer:
    """Describe an engine; and where it may change iptables, one for when it can't."""
    place = places.runtime_folder(children.purpose)
    data = places.data_folder(children.purpose) / "docker"
    # The tests need no way out, and so leave iptables to the other engines of this machine.
    server = servers.EngineServer(place, data, has_iptables=children.purpose != "test")
    if children.purpose != "run":
        places.remove(data)
    children.environment[DOCKER_HOST] = server.host
    children.add(ENGINE, server.command)
    if server.has_iptables:
        children.add(OFFLINE, server.command_line(has_iptables=False), autostart=False)
    return server


def _wait_for_engine(children: Children, server: servers.EngineServer) -> None:
    try:
        children.wait_for(ENGINE, server.answers, "The engine doesn't start.")
    except ChildFailed as failure:
        if not server.has_iptables or "network controller" not in str(failure):
            raise
        print("The engine can't use iptables: functions will have no way out.", flush=True)
        children.start_one(OFFLINE)
        children.wait_for(OFFLINE, server.answers, "The engine doesn't start without iptables.")


@contextlib.contextmanager
def services(purpose: str, programs: Mapping[str, list[str]] | None = None) -> Iterator[Children]:
    """Have a Redis and an engine, and take down at the end what was started.

    The children's environment says where both are. The programs are described, and not started;
    the last of them is ended first.
    """
    _end_on_signals()
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(places.hold(purpose))
        stack.callback(places.remove, places.make_runtime_folder(purpose))
        children = Children(purpose, held, {**os.environ, "PATH": SEARCH_PATH})
        missing = find_missing(purpose, children.environment)
        redis = _add_redis(children) if REDIS in missing else None
        engine = _add_engine(children) if ENGINE in missing else None
        if engine:
            stack.callback(engine.clear)
        for name, command in (programs or {}).items():
            children.add(name, command, autostart=False, to_terminal=True)
        stack.callback(children.stop)
        stack.callback(_ignore_signals)
        children.start()
        if redis:
            children.wait_for(REDIS, redis.answers, "Redis doesn't start.")
        if engine:
            _wait_for_engine(children, engine)
        yield children


def _end_on_signals() -> None:
    """Unwind at each signal that ends a command; at Ctrl-C too where a script began it with `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def _ignore_signals() -> None:
    """Let a second Ctrl-C not end the taking down, which has deadlines of its own."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def run_job(command: list[str], environment: Environment) -> int:
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


def run_command(main: Callable[[], None]) -> None:
    """Run a command's main function; what ends it early is a sentence, or an exit status."""
    try:
        main()
    except (ChildFailed, NoBridge, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    print(*find_missing(sys.argv[1], dict(os.environ)))
