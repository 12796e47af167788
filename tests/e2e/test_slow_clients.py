"""Clients that read slowly, or send slowly, in great numbers: health checks answer through them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from dev import servers
from funcsvc.model import MAX_OUTPUT_BYTES, Outcome
from funcsvc.web.gunicorn.worker import HEALTH_THREADS
from tests.e2e import calling
from tests.e2e.raw_http import RawClient
from tests.e2e.test_call_logs import fill_log

CONNECTIONS = 1000
"""The limit of a web process (worker_connections)."""

NO_ENGINE = "unix:///nonexistent"
SLOW_BYTES_PER_SECOND = 2048
LARGE = Outcome(output=b"x" * MAX_OUTPUT_BYTES)


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """A service with the threads that it has by default. It cuts no client that reads or sends."""
    with servers.service(
        redis_url=module_redis.url,
        docker_host=NO_ENGINE,
        threads=48,
        proxy_guards="true",
        trusted_proxies="127.0.0.1",
        min_bytes_per_second=1,
        body_timeout_seconds=servers.NEVER_SECONDS,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(web: servers.Service) -> Iterator[servers.NginxServer]:
    with servers.nginx_server(web.port) as server:
        yield server


class SlowReaders:
    """Clients that read 2 KB a second, all in one thread."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def add(self, port: int, asked: bytes, count: int) -> None:
        """Let some clients ask for something."""
        for _ in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(30)
            sock.connect((servers.LOOPBACK, port))
            sock.sendall(asked)
            sock.setblocking(False)
            self._sockets.append(sock)

    def __enter__(self) -> SlowReaders:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()

    def _read(self) -> None:
        while not self._ended.wait(1):
            for sock in list(self._sockets):
                with contextlib.suppress(OSError):
                    sock.recv(SLOW_BYTES_PER_SECOND)


@pytest.fixture(scope="module")
def large(web: servers.Service, module_redis: servers.RedisServer, calls: calling.Calls) -> str:
    """The address of a func with a log of 7 MB and outputs of 1 MB, among others of 4 MB in all."""
    address = f"large/{calls.create_func('large')}"
    fill_log(module_redis, "large", events=18_000)
    for number in range(100):
        calls.create_func(f"many-{number}", Env=[f"A={'x' * 40_000}"])
    for _ in range(20):
        assert web.request("POST", f"/call/{address}", b"").status == 200
        calls.end(calls.reserve(), LARGE)
    return address


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def assert_answers(server: servers.Service, path: str) -> None:
    """Ask again and again, while nothing ends what the others hold: every answer comes."""
    answers = [server.request("GET", path) for _ in range(9)]
    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("way", ["direct", "nginx"])
def test_health_is_answered_through_slow_clients_of_every_kind(
    web, proxy, calls, large, address, way
):
    server = web if way == "direct" else proxy
    ids = [it.id for it in calls.store.list_calls("large")]
    head = f"POST /call/{address} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
    waits = [f"POST /call/{address}/sync", f"GET /logs/{address}?follow=1"]
    with contextlib.ExitStack() as stack:
        for start in (b"P", head.encode(), f"{head}\r\n1".encode()):
            for _ in range(64):
                stack.enter_context(RawClient(server.port)).send(start)
        for _ in range(60):
            for line in waits:
                client = stack.enter_context(RawClient(server.port))
                client.send(f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        readers = stack.enter_context(SlowReaders())
        readers.add(server.port, get(f"/logs/{large}"), 80)
        readers.add(server.port, get(f"/status/{large}?list=1"), 20)
        readers.add(server.port, get("/funcs"), 20)
        for call_id in ids:
            readers.add(server.port, get(f"/output/{large}/{call_id}"), 1)
        for path in ("/healthz", f"/status/{address}"):
            assert_answers(server, path)
        busy = web.request("GET", f"/logs/{large}")
        assert (busy.status, busy.headers["Retry-After"]) == (503, "5")
    assert "Traceback" not in web.log()


def test_client_that_asks_and_hardly_reads_holds_no_thread(web):
    """Its answers fill the kernel's buffer, and the next finds no room."""
    with SlowReaders() as readers:
        readers.add(web.port, get("/docs/swagger-ui-bundle.js") * 100, 60)
        assert_answers(web, "/healthz")
        assert_answers(web, "/_ping")


def test_health_checks_of_clients_that_hardly_read_hold_up_no_others(web):
    asked = get("/docs/swagger-ui.css") * 4 + get("/healthz") * 1200
    with SlowReaders() as readers:
        readers.add(web.port, asked, 2 * HEALTH_THREADS)
        wait_until_nothing_is_answered(web)
        assert_answers(web, "/healthz")


def wait_until_nothing_is_answered(web: servers.Service) -> None:
    """Wait until every client's next answer finds no room."""

    def stands_still() -> bool:
        count = len(web.access_lines())
        time.sleep(0.5)
        return count == len(web.access_lines())

    servers.wait_until(stands_still, "no more is answered")


def test_more_connections_than_the_limit_keep_nobody_out(web):
    """Neither such as send one byte, nor such as have been served and are kept."""
    with contextlib.ExitStack() as stack:
        for sent in (b"G", b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            for _ in range(CONNECTIONS + 50):
                stack.enter_context(RawClient(web.port)).send(sent)
            assert_answers(web, "/healthz")
