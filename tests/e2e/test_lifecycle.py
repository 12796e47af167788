"""Starting, stopping and running for a long time, as an operator's supervisor sees it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from dev import images, servers

NO_HURRY = {"graceful_timeout_seconds": servers.NEVER_SECONDS}
"""Settings with which a worker that isn't told to stop is not killed while a test waits."""


@dataclass
class SlowPull:
    """A create in progress, whose pull waits until `gate` is set."""

    web: servers.Service
    gate: Event
    answer: Future[servers.Answer]


@pytest.fixture
def slow_pull(
    module_engine: servers.EngineServer, own_redis: servers.RedisServer, run_id: str
) -> Iterator[SlowPull]:
    """A service with a create in progress, which pulls from a registry behind a closed gate."""
    with (
        servers.registry_server() as registry,
        servers.proxy(registry.port, is_open=False) as between,
        servers.service(redis_url=own_redis.url, docker_host=module_engine.host) as web,
        ThreadPoolExecutor(1) as client,
    ):
        images.push(module_engine.host, f"{registry.domain}/slow-{run_id}:v1")
        name = f"127.0.0.1:{between.port}/slow-{run_id}:v1"
        answer = client.submit(web.create, "slow", name)
        try:
            servers.wait_until(lambda: between.accepted, "the pull has begun")
            yield SlowPull(web, between.gate, answer)
        finally:
            between.gate.set()
            wait([answer], 30)
            images.remove_image(module_engine.host, name)


def test_stop_lets_a_slow_pull_end_and_answers_it(
    slow_pull: SlowPull, own_redis: servers.RedisServer
) -> None:
    web = slow_pull.web
    os.kill(web.pid, signal.SIGTERM)
    servers.wait_until(lambda: refuses(web), "new connections are refused")
    assert not slow_pull.answer.done()
    slow_pull.gate.set()
    answer = slow_pull.answer.result()
    assert (answer.status, answer.json["Name"]) == (201, "slow")
    with own_redis.client() as client:
        assert client.get("funcsvc:func:slow") == answer.body
    assert_ends_well(web)


def test_reload_loses_no_request_while_an_old_worker_ends(slow_pull: SlowPull) -> None:
    web = slow_pull.web
    [old] = web.worker_pids()
    os.kill(web.pid, signal.SIGHUP)
    servers.wait_until(lambda: set(web.worker_pids()) - {old}, "there is a new worker")
    assert not slow_pull.answer.done()
    for _ in range(40):
        answer = web.request("GET", "/healthz")
        assert answer.status == 200
    slow_pull.gate.set()
    assert slow_pull.answer.result().status == 201
    servers.wait_until(lambda: old not in web.worker_pids(), "the old worker ends")
    assert web.request("GET", "/healthz").status == 200


def assert_ends_well(web: servers.Service) -> None:
    """Wait until a service has ended by itself, without a trace and without a worker killed."""
    servers.wait_until(lambda: not web.is_running, "the service ends")
    assert web.process.returncode == 0
    assert "Traceback" not in web.log()
    assert "WORKER TIMEOUT" not in web.log()


def refuses(web: servers.Service) -> bool:
    """Tell whether the service refuses new connections."""
    try:
        with socket.create_connection(("127.0.0.1", web.port), timeout=1):
            return False
    except ConnectionRefusedError:
        return True


def test_stop_without_requests_is_quick_and_without_a_trace(start) -> None:
    web = start(workers=2, **NO_HURRY)
    with web.connection() as connection:
        servers.exchange(connection, "GET", "/_ping")
        os.kill(web.pid, signal.SIGTERM)
        assert_ends_well(web)


SLOW_SECOND_WORKER = """
import time
from pathlib import Path

import gunicorn.sock

def create_sockets(*args, create=gunicorn.sock.create_sockets):
    begun = Path(__file__).with_name("begun")
    time.sleep(2 if begun.exists() else 0)
    begun.touch()
    return create(*args)

gunicorn.sock.create_sockets = create_sockets
"""


STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


@pytest.mark.parametrize("number", STOPS)
def test_stop_is_obeyed_by_a_worker_that_is_only_starting(start, tmp_path: Path, number) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_SECOND_WORKER)
    web = start({"PYTHONPATH": str(tmp_path)}, workers=2, **NO_HURRY)
    servers.wait_until(lambda: len(web.worker_pids()) == 2, "the second worker starts")
    os.kill(web.pid, number)
    assert_ends_well(web)
    assert web.log().count("Booting worker") == 2


SLOW_SUBMIT = """
import time
from concurrent.futures import ThreadPoolExecutor

def adjust(pool, adjust=ThreadPoolExecutor._adjust_thread_count):
    adjust(pool)
    time.sleep(1)

ThreadPoolExecutor._adjust_thread_count = adjust
"""


SLOW_THREAD = """
import time
from threading import Thread

def start(thread, start=Thread.start):
    start(thread)
    time.sleep(1 if thread.name.startswith("ThreadPool") else 0)

Thread.start = start
"""


@pytest.mark.parametrize("moment", [SLOW_SUBMIT, SLOW_THREAD], ids=["locked", "half-started"])
@pytest.mark.parametrize("number", STOPS)
def test_stop_is_obeyed_while_a_request_is_given_to_its_thread(
    start, tmp_path: Path, number, moment
) -> None:
    """Meanwhile the thread that gets the signal holds the pool's lock, or is starting its thread.

    A process that leaves a thread half-started would wait for it at its end.
    """
    (tmp_path / "sitecustomize.py").write_text(moment)
    web = start({"PYTHONPATH": str(tmp_path)}, **NO_HURRY)
    assert web.request("GET", "/_ping").status == 200  # while submit goes on
    os.kill(web.pid, number)
    assert_ends_well(web)


def test_worker_that_is_killed_is_replaced(start, image: str) -> None:
    web = start(workers=1)
    [pid] = web.worker_pids()
    os.kill(pid, signal.SIGKILL)
    servers.wait_until(lambda: web.worker_pids() not in ([], [pid]), "there is a new worker")
    servers.wait_until(web.is_healthy, "the new worker answers")
    assert web.create("after", image).status == 201


def test_second_service_of_the_same_user_disturbs_nothing(start, image: str) -> None:
    first = start()
    second = start()
    assert (first.create("a", image).status, second.create("b", image).status) == (201, 201)
    assert second.create("a", image).status == 409
    second.end()
    assert first.create("c", image).status == 201
    pids = first.worker_pids()
    os.kill(first.pid, signal.SIGHUP)
    servers.wait_until(
        lambda: first.worker_pids() and not set(pids) & set(first.worker_pids()), "it has reloaded"
    )
    servers.wait_until(first.is_healthy, "it answers again")
    assert first.create("d", image).status == 201
    left = {path.suffix for path in Path(first.place).rglob("*")}
    assert not left & {".ctl", ".sock"}, "there is a control socket"


def test_taken_port_stops_the_start_with_a_sentence(
    own_redis: servers.RedisServer, docker_host: str
) -> None:
    settings = {"redis_url": own_redis.url, "docker_host": docker_host}
    with servers.silent_listener() as address, servers.folder() as place:
        fails_to_start(servers.make_service(place, **settings, bind=address), "in use")


def test_port_of_another_service_stops_the_start(start, docker_host: str) -> None:
    first = start()
    with servers.folder() as place:
        bind = f"127.0.0.1:{first.port}"
        fails_to_start(servers.make_service(place, docker_host=docker_host, bind=bind), "in use")
    assert first.is_healthy()


def fails_to_start(web: servers.Service, sentence: str) -> None:
    """Start a service that must end by itself, with a sentence and without a trace."""
    try:
        with pytest.raises(AssertionError, match="ended"):
            web.start(lambda: False)
    finally:
        web.end()
    assert web.process.returncode != 0
    assert sentence in web.log()
    assert "Traceback" not in web.log()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"FUNCSVC_THREADS": "many"},
            "FUNCSVC_THREADS is not valid: Not a valid integer.",
        ),
        (
            {"FUNCSVC_THREDS": "4"},
            "FUNCSVC_THREDS is not a setting: did you mean FUNCSVC_THREADS?",
        ),
        (
            {"FUNCSVC_BIND": "8000"},
            "FUNCSVC_BIND is not valid: Must be host:port, with a port from 1 to 65535, or "
            "unix:/path.",
        ),
        (
            {"FUNCSVC_REDIS_URL": "http://user:secret-word@redis"},
            "FUNCSVC_REDIS_URL is not valid:",
        ),
        (
            {"FUNCSVC_THREADS": "5", "FUNCSVC_MAX_PULLS": "4"},
            "FUNCSVC_MAX_PULLS, FUNCSVC_MAX_WAITS, FUNCSVC_MAX_FOLLOWERS and "
            "FUNCSVC_MAX_LONG_ANSWERS are 7 in all, but must be less than FUNCSVC_THREADS, which "
            "is 5",
        ),
        ({"DOCKER_HOST": "nonsense://x"}, "DOCKER_HOST"),
    ],
)
def test_invalid_setting_stops_the_start_with_a_sentence_and_no_trace(
    environment: dict[str, str], sentence: str
) -> None:
    with servers.folder() as place:
        web = servers.make_service(place, environment)
        fails_to_start(web, sentence)
        assert "secret-word" not in web.log()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/socket", "No such file or directory"),
        ("file/socket", "Not a directory"),
        ("file", "it is not a socket"),
    ],
)
def test_unix_socket_that_cannot_be_made_stops_the_start_at_once(name: str, reason: str) -> None:
    with servers.folder() as place:
        (place / "file").touch()
        bind = f"unix:{place}/{name}"
        web = servers.make_service(place, bind=bind)
        fails_to_start(web, f"funcsvc can't listen at {bind}: {reason}.")
        assert "Retrying" not in web.log()


def test_empty_settings_count_as_not_set(own_redis: servers.RedisServer, docker_host: str) -> None:
    environment = {"FUNCSVC_PULL_POLICY": "", "FUNCSVC_MAX_PULLS": ""}
    with servers.service(environment, redis_url=own_redis.url, docker_host=docker_host) as web:
        assert web.request("GET", "/readyz").status == 200


def test_service_listens_on_a_unix_socket(own_redis: servers.RedisServer, docker_host: str) -> None:
    with servers.folder() as place:
        path = place / "socket"
        web = servers.make_service(
            place, redis_url=own_redis.url, docker_host=docker_host, bind=f"unix:{path}"
        )
        try:
            web.start(lambda: servers.listens(path))
            answer = servers.exchange_over_unix_socket(path, "GET", "/_ping")
            assert (answer.status, answer.body) == (200, b"OK")
        finally:
            web.end()


def test_descriptors_and_threads_do_not_grow_over_five_hundred_creates(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(workers=1, threads=8, engine_remember_seconds=0, redis_timeout_seconds=0.5)
    [pid] = web.worker_pids()
    closed = f"127.0.0.1:{servers.free_port()}/nothing:v1"
    kinds = [
        lambda name: web.create(name, image),
        lambda name: web.create("same", image),
        lambda name: web.create(name, image, Timeout=0),
        lambda name: web.request("POST", "/funcs/create", b'{"Name": '),
        lambda name: web.create(name, closed),
    ]

    def create_many(first: int, count: int) -> set[int]:
        with ThreadPoolExecutor(8) as clients:
            numbers = range(first, first + count)
            return {
                answer.status
                for answer in clients.map(lambda n: kinds[n % len(kinds)](f"n{n}"), numbers)
            }

    create_many(0, 100)
    own_redis.end()
    assert create_many(100, 25) <= {400, 500, 503}
    own_redis.start()
    before = _held(pid)
    assert {201, 400, 409} <= create_many(200, 500)
    own_redis.end()
    create_many(1000, 25)
    own_redis.start()
    assert {201, 400} <= create_many(2000, 25)
    descriptors, threads = servers.wait_until(
        lambda: _held(pid) if _held(pid)[0] <= before[0] + 8 else None,
        f"descriptors fall back to {before}",
    )
    assert descriptors <= before[0] + 8, "a pool of 8 connections may have filled since"
    assert threads <= before[1] + 1
    assert web.worker_pids() == [pid]


def _held(pid: int) -> tuple[int, int]:
    """Return the number of descriptors and of threads that a process has."""
    return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))
