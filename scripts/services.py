"""Redis and the engine: those that are there are used as they are, one that is missing is started.

Run as a program with a purpose, it prints which of `redis` and `engine` have to be started for it.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

import bridge
import engine
import places
import redis
from children import WITH_PARENT, ChildFailed, Children, end

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
Environment = MutableMapping[str, str]


def redis_answers(url: str) -> bool:
    """Whether commands can be given to the Redis at this address."""
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=2, socket_timeout=2, retry=None
        ) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def find_redis(purpose: str, environment: Environment) -> bool:
    """Set FUNCSVC_REDIS_URL to the Redis that is there, if any."""
    url = environment.get("FUNCSVC_REDIS_URL")
    if url:
        if not redis_answers(url):
            sys.exit(
                "No Redis answers at the address in FUNCSVC_REDIS_URL: "
                "start it, or unset the variable to get one here."
            )
        return True
    # Tests and benchmarks write into somebody's Redis only when they were told which one.
    if purpose != "run" or not redis_answers(DEFAULT_REDIS_URL):
        return False
    environment["FUNCSVC_REDIS_URL"] = DEFAULT_REDIS_URL
    return True


def add_redis(children: Children, purpose: str, environment: Environment) -> None:
    """Describe a Redis of our own, on loopback."""
    folder = places.data_folder(purpose) / "redis"
    if purpose == "test":  # each run begins alike
        places.remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port(preferred=6379 if purpose == "run" else 0)
    environment["FUNCSVC_REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    options = [word for key, value in settings.items() for word in (f"--{key}", value)]
    children.add("redis", ["redis-server", *options])


def free_port(preferred: int) -> int:
    """The preferred port on loopback if it is free, any free one otherwise."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", preferred))
        except OSError:
            candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


def wait_for_redis(children: Children, environment: Environment) -> None:
    try:
        children.wait_for("redis", lambda: redis_answers(environment["FUNCSVC_REDIS_URL"]))
    except ChildFailed as failure:
        sys.exit(f"Redis doesn't start, and nothing works without it. {failure}")


def make_runtime_folder(purpose: str) -> None:
    owner = f"--owner={os.getuid()}"
    subprocess.run(
        places.as_root("install", "-d", "-m", "0755", owner, places.runtime_folder(purpose)),
        check=True,
    )


def find_missing(purpose: str, environment: Environment) -> set[str]:
    """What has to be started; for the rest the environment says where it is."""
    found = {"redis": find_redis(purpose, environment), "engine": engine.find(environment)}
    return {name for name, is_there in found.items() if not is_there}


def end_on_signals() -> None:
    """Unwind at each signal that ends a command; at Ctrl-C too where a script began it with `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


@contextmanager
def services(purpose: str, programs: Mapping[str, list[str]] | None = None) -> Iterator[Children]:
    """Have a Redis and an engine, and take down at the end what was started.

    The children's environment says where both are. The programs are described, and not started;
    the last of them is ended first.
    """
    end_on_signals()
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    with places.hold(purpose) as held:
        make_runtime_folder(purpose)
        children = Children(purpose, held, environment)
        missing = find_missing(purpose, environment)
        if "redis" in missing:
            add_redis(children, purpose, environment)
        if "engine" in missing:
            engine.add(children, purpose, environment)
        for name, command in (programs or {}).items():
            children.add(name, command, autostart=False, to_terminal=True)
        try:
            children.start()
            if "redis" in missing:
                wait_for_redis(children, environment)
            if "engine" in missing:
                engine.wait(children, environment)
            yield children
        finally:
            children.stop()
            bridge.remove(purpose)


def run_job(command: list[str], environment: Environment) -> int:
    """Run the command's main job in the terminal, and return its exit status.

    It gets a chance to end well on Ctrl-C, which it saw itself, and on SIGTERM, which it did not.
    """
    job = subprocess.Popen([*WITH_PARENT, *command], cwd=places.ROOT, env=environment)
    try:
        return job.wait()
    except KeyboardInterrupt:
        places.wait_until(lambda: job.poll() is not None, deadline_seconds=20)
        raise
    finally:
        if job.poll() is None:
            end(job, signal.SIGINT, deadline_seconds=20)


def main() -> None:
    print(*sorted(find_missing(sys.argv[1], dict(os.environ))))


if __name__ == "__main__":
    main()
