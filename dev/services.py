"""The Redis and the engine of a command: those that are there, or else its own.

Run as a program with a purpose, it prints which of `redis` and `engine` have to be started for it.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.utils
import requests

from dev import choices, heed_ctrl_c, servers
from dev.children import ChildFailed, Children
from dev.machine import as_root, places
from dev.machine.as_root import SEARCH_PATH, NoRoot
from dev.machine.bridge import NoBridge
from dev.machine.processes import await_end, with_parent
from dev.servers.engine import Networking
from funcsvc.config import InvalidSettings, load_settings

REDIS, ENGINE = "redis", "engine"
REDIS_URL, DOCKER_HOST = "FUNCSVC_REDIS_URL", "DOCKER_HOST"
REDIS_FILE = "FUNCSVC_REDIS_URL_FILE"
DEFAULT_HOST = "unix:///var/run/docker.sock"
JOB_SECONDS = 20
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

# What an engine of ours is started with where it can't have the closed network that it should.
OPEN, OFFLINE = "engine-open", "engine-offline"
WEAKER = {OPEN: Networking.OPEN, OFFLINE: Networking.OFFLINE}
WITHOUT = {
    OPEN: "The engine can't keep functions from reaching each other (is br_netfilter loaded?).",
    OFFLINE: "The engine can't use iptables: functions reach each other, and have no way out.",
}

NOTHING_ANSWERS = (
    "Nothing answers at the address in {}: start it, or unset the variable to get one here."
)

Environment = dict[str, str]


class Ended(BaseException):
    """Raised at the first signal that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Program:
    """A program of a command: its command line, and how Children treats it."""

    command: list[str]
    options: dict[str, Any] = field(default_factory=dict)


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


def _named_redis(environment: Environment) -> str | None:
    """Return the URL of the Redis that the environment, or a file of its, names; it answers."""
    given = {name: environment[name] for name in (REDIS_URL, REDIS_FILE) if environment.get(name)}
    if not given:
        return None
    try:
        url = load_settings(given).redis_url
    except InvalidSettings as error:
        sys.exit(str(error))
    if not servers.redis_answers(url):
        sys.exit(NOTHING_ANSWERS.format(*given))
    return url


def _found_engine(environment: Environment) -> str | None:
    """Return the address of the engine that is there; one that is named has to answer."""
    named = environment.get(DOCKER_HOST)
    address = named or DEFAULT_HOST
    if _engine_answers({**environment, DOCKER_HOST: address}):
        return address
    if named:
        sys.exit(NOTHING_ANSWERS.format(DOCKER_HOST))
    return None


def find(purpose: str, environment: Environment) -> dict[str, str | None]:
    """Return where each service is; None is one that has to be started."""
    found = {REDIS: _named_redis(environment), ENGINE: _found_engine(environment)}
    if purpose == "run":
        for name, address in found.items():
            choices.check(name, address)
    return found


def _add_redis(children: Children) -> servers.RedisServer:
    """Describe a Redis; that of `make run` can't be reached over the network."""
    folder = choices.folder_of(REDIS, children.purpose)
    if children.purpose != "run":  # each run begins alike
        places.remove(folder)
    folder.mkdir(exist_ok=True)
    unix_socket = children.runtime_folder / "redis.sock" if children.purpose == "run" else None
    server = servers.RedisServer(folder, {"appendonly": "yes"}, unix_socket=unix_socket)
    children.environment.pop(REDIS_FILE, None)
    children.environment[REDIS_URL] = server.url
    children.add(REDIS, server.command)
    return server


def _add_engine(children: Children) -> servers.EngineServer:
    """Describe an engine; and where it may change iptables, those for when it can't."""
    place = places.runtime_folder(children.purpose)
    data = choices.folder_of(ENGINE, children.purpose)
    if children.purpose != "run":
        places.remove(data)
    # The tests need no way out, and so leave iptables to the other engines of this machine.
    networking = Networking.OFFLINE if children.purpose == "test" else Networking.CLOSED
    server = servers.EngineServer(place, data, networking=networking)
    children.environment[DOCKER_HOST] = server.host
    children.add(ENGINE, server.command)
    if networking == Networking.CLOSED:
        for name, other in WEAKER.items():
            children.add(name, server.command_line(other), autostart=False)
    return server


def _wait_for_engine(children: Children, server: servers.EngineServer) -> None:
    try:
        children.wait_for(ENGINE, server.answers, "The engine doesn't start.")
    except ChildFailed as failure:
        if OPEN not in children.logs or "network controller" not in str(failure):
            raise
        name = OPEN if "inter-container communication" in str(failure) else OFFLINE
        print(WITHOUT[name], flush=True)
        children.start_one(name)
        children.wait_for(name, server.answers, "The engine doesn't start without it.")


@contextlib.contextmanager
def services(purpose: str, programs: Mapping[str, Program] | None = None) -> Iterator[Children]:
    """Have a Redis and an engine, and take down at the end what was started.

    The children's environment says where both are. The programs are described, and not started;
    the last of them is ended first.
    """
    _end_on_signals()
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(places.hold(purpose))
        place, data = places.runtime_folder(purpose), places.data_folder(purpose)
        children = Children(purpose, held, {**os.environ, "PATH": SEARCH_PATH})
        found = find(purpose, children.environment)
        if purpose != "run" and (url := found[REDIS]):  # tests and benchmark know no file
            children.environment[REDIS_URL] = url
        root = stack.enter_context(as_root.root_side(place, data))
        as_root.share(root, held.fileno())
        os.environ[as_root.SOCKET] = str(root)
        redis = None if found[REDIS] else _add_redis(children)
        engine = None if found[ENGINE] else _add_engine(children)
        for name, program in (programs or {}).items():
            children.add(name, program.command, autostart=False, **program.options)
        print(_sources(children, found), flush=True)
        stack.callback(children.stop)
        children.start()
        if redis:
            children.wait_for(REDIS, redis.answers, "Redis doesn't start.")
        if engine:
            _wait_for_engine(children, engine)
        if purpose == "run":
            for name, address in found.items():
                choices.note(name, address)
        yield children


def _sources(children: Children, found: dict[str, str | None]) -> str:
    """Return the line that says which Redis and which engine are in use, and where the data are."""
    shown = []
    for name, address in found.items():
        folder = choices.folder_of(name, children.purpose).relative_to(places.ROOT)
        whose = "was there" if address else f"its own, data in {folder}"
        address = address or children.environment[choices.VARIABLES[name][0]]
        shown.append(f"{name}: {choices.without_secrets(address)} ({whose})")
    return f"{'; '.join(shown)}. Logs: {children.log_folder.relative_to(places.ROOT)}."


def _end_on_signals() -> None:
    """Unwind at the first signal that ends a command, and from then on heed no other.

    Ctrl-C does so too where a script began the command with `&`.
    """
    for number in ENDING:
        signal.signal(number, _end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # make held one back


def _end(number: int, _: object) -> None:
    # A handler that ignores, for Python complains of a signal that meets SIG_IGN half-way. They
    # are also blocked, so that what is run for the taking down has them blocked as well.
    for each in ENDING:
        signal.signal(each, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    with contextlib.suppress(OSError):  # the terminal may be gone
        print("\nStopping…", flush=True)
    raise Ended(number)


def run_job(command: list[str], environment: Environment) -> int:
    """Run the command's main job in the terminal, and return its exit status.

    It gets a chance to end well on Ctrl-C, which it saw itself, and on SIGTERM, which it did not.
    """
    job = subprocess.Popen(
        with_parent("TERM", *command),
        cwd=places.ROOT,
        env={**environment, as_root.SOCKET: os.environ[as_root.SOCKET]},
    )
    try:
        return job.wait()
    except Ended as ended:
        if ended.number == signal.SIGINT:
            await_end(job, JOB_SECONDS)
        raise
    finally:
        if job.poll() is None:
            job.send_signal(signal.SIGINT)
            await_end(job, JOB_SECONDS)


def run_command(main: Callable[[], None], *, until_ended: bool = False) -> None:
    """Run a command's main function; what ends it early is a sentence, or an exit status.

    One that runs until it is ended has succeeded then.
    """
    try:
        main()
    except (ChildFailed, NoBridge, NoRoot, subprocess.CalledProcessError, OSError) as error:
        sys.exit(str(error))
    except Ended as ended:
        sys.exit(0 if until_ended else 128 + ended.number)


if __name__ == "__main__":
    heed_ctrl_c()
    places_of = find(sys.argv[1], dict(os.environ))
    print(*(name for name, address in places_of.items() if address is None))
