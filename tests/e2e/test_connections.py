"""Connections of clients that send what nobody expects, and many of them, to a service without an
engine: what they cost, and what becomes of the others.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import servers
from funcsvc.web.gunicorn.worker import MAX_HELD_BYTES
from tests.e2e.raw_http import RawClient

CHUNKED = b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE_BYTE_CHUNKS = CHUNKED + b"1\r\nx\r\n" * 250_000 + b"0\r\n\r\n"

CONNECTIONS = 150
"""The limit of this service's only worker process."""

PING = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    with servers.service(
        {"GUNICORN_CMD_ARGS": f"--worker-connections {CONNECTIONS}"},
        redis_url=module_redis.url,
        docker_host="unix:///nonexistent",
        threads=8,
        body_timeout_seconds=servers.NEVER_SECONDS,
    ) as server:
        yield server


def cpu_seconds(web: servers.Service) -> float:
    """Return how long the worker process has computed."""
    [pid] = web.worker_pids()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_body_of_tiny_chunks_is_413_at_once_and_costs_little(web, raw):
    before = cpu_seconds(web)
    with contextlib.suppress(OSError):  # the service doesn't read what it refuses
        raw.send(ONE_BYTE_CHUNKS)
    answer = raw.answer()
    assert answer.status == 413
    assert answer.json["message"].startswith("The request body's chunks are too small")
    assert raw.is_closed()
    assert web.is_healthy()
    assert cpu_seconds(web) - before < 3


def test_nothing_follows_an_answer_even_if_the_body_that_nobody_read_is_malformed(web, raw):
    raw.send(CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n")
    assert raw.answer().status == 404
    assert raw.line() == b""


def test_answer_before_a_close_comes_whole_though_the_client_asks_for_more(web):
    last = (
        b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    for _ in range(5):
        with RawClient(web.port, receive_bytes=4096) as client:
            client.send(last)
            assert client.has_answer(servers.PATIENCE_SECONDS)
            client.send(PING)
            answer = client.answer()
            assert len(answer.body) == int(answer.headers["Content-Length"])
            assert client.line() == b""


@contextlib.contextmanager
def paused_worker(web: servers.Service) -> Iterator[None]:
    """Let the worker find at once, as one batch of events, what is sent meanwhile."""
    [pid] = web.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("before", [b"G", PING], ids=["arriving", "kept"])
def test_connection_that_makes_room_while_its_bytes_arrive_ends_no_worker(web, before):
    pids = web.worker_pids()
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(RawClient(web.port)) for _ in range(CONNECTIONS - 1)]
        for client in old:
            client.send(before)
            if before == PING:
                assert client.line().startswith(b"HTTP/1.1 ")
        with paused_worker(web):
            for _ in range(CONNECTIONS // 2):
                stack.enter_context(RawClient(web.port)).send(b"G")
            for client in old:
                client.send(b"E")
        assert web.is_healthy()
    assert web.worker_pids() == pids
    assert "Traceback" not in web.log()


def test_only_as_many_requests_are_refused_as_are_too_many_for_memory(web):
    """Also where the bytes of a refused one come in the same batch of events."""
    pids, count, size = web.worker_pids(), 110, 950 * 1024
    head = f"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(web.port)) for _ in range(count)]
        for client in clients:
            client.send(head.encode() + b"x" * 100_000)
        with paused_worker(web):
            for client in clients:
                client.send(b"x" * 400_000)
        for client in clients:
            with contextlib.suppress(OSError):  # refused in the meantime
                client.send(b"x" * (size - 500_001))
        too_many = count - MAX_HELD_BYTES // size
        servers.wait_until(lambda: refusals(web) >= too_many, "so many are refused")
        for client in clients:
            with contextlib.suppress(OSError):
                client.send(b"x")
        assert sum(status_of(client) == 404 for client in clients) == count - too_many
        assert refusals(web) == too_many
    assert web.worker_pids() == pids
    assert "Traceback" not in web.log()


def refusals(web: servers.Service) -> int:
    return web.log().count("got 503: Too many requests are arriving at once")


def status_of(client: RawClient) -> int:
    """Return the status of an answer, or 0 if the connection has broken."""
    try:
        return client.answer().status
    except (OSError, http.client.HTTPException):
        return 0
