"""Calls through real gunicorn and Redis, with clients that disconnect and a played worker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from dev import servers
from funcsvc.model import MAX_OUTPUT_BYTES, MAX_PAYLOAD_BYTES, Failure, Outcome, ReservedCall
from funcsvc.model.errors import StoreUnavailable
from tests.e2e import calling
from tests.e2e.raw_http import RawClient

NO_ENGINE = "unix:///nonexistent"
"""How soon after a client disconnects its thread must be free again."""


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """A service with one process, in which two requests can wait for calls."""
    with servers.service(
        redis_url=module_redis.url,
        docker_host=NO_ENGINE,
        threads=10,
        max_waits=2,
        func_share_percent=100,
    ) as server:
        yield server


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def request(address: str, *, kind: str = "call", more: str = "", body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    head = f"POST /{kind}/{address}{more} HTTP/1.1\r\nHost: localhost\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def start_sync(
    clients: ThreadPoolExecutor, web: servers.Service, address: str
) -> Future[servers.Answer]:
    return clients.submit(web.request, "POST", f"/call/{address}/sync", b"in", timeout=60)


def test_call_is_stored_whole_before_it_is_answered(web, calls, address):
    payload = bytes(range(256)) * (MAX_PAYLOAD_BYTES // 256)
    answer = web.request("PUT", f"/call/{address}?a=b", payload, {"X-Mine": "1"})
    assert answer.status == 200
    call = calls.reserve()
    assert answer.body == f'{{"CallId": "{call.id}"}}'.encode()
    assert call.payload == payload
    assert {
        b"REQUEST_METHOD=PUT", b"QUERY_STRING=a=b", b"CONTENT_LENGTH=1048576", b"HTTP_X_MINE=1",
        b"CALL_ID=" + call.id.encode(),
    } <= set(call.environment)  # fmt: skip
    assert web.request("GET", f"/output/{address}/{call.id}").status == 201
    calls.end(call)


def test_payload_over_a_mebibyte_stores_nothing(web, calls, address):
    answer = web.request("POST", f"/call/{address}", b"x" * (MAX_PAYLOAD_BYTES + 1))
    assert answer.status == 413
    assert calls.pending(address[: address.index("/")]) == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["X-A: 1", "X-A: 2"], [b"HTTP_X_A=1,2"]),
        (["X-A: 1", "X_A: 2"], [b"HTTP_X_A=1"]),
        (["X_A: 2"], []),
        (["x-a: \xff"], [b"HTTP_X_A=\xff"]),
        (["Proxy: evil", "PROXY: evil"], []),
        (["Path: evil", "LD-Preload: evil"], [b"HTTP_PATH=evil", b"HTTP_LD_PRELOAD=evil"]),
        (["SCRIPT_NAME: /evil", "CALL_ID: evil"], []),
        (["Transfer-Encoding: chunked"], [b"CONTENT_LENGTH=5", b"HTTP_TRANSFER_ENCODING=chunked"]),
        (["Content-Type: a/b", "Content-Type: c/d"], None),
        (["Content-Length: 1", "Content-Length: 2"], None),
        (["X-A: a\0b"], None),
        (["X A: 1"], None),
    ],
)  # fmt: skip
def test_header_becomes_a_variable_or_is_refused(web, calls, address, lines, expected):
    fields = "\r\n".join(["Host: localhost", *lines])
    body = b"5\r\n12345\r\n0\r\n\r\n" if "Transfer-Encoding: chunked" in lines else b""
    with RawClient(web.port) as client:
        head = f"POST /call/{address} HTTP/1.1\r\n{fields}\r\n\r\n"
        client.send(head.encode("latin-1") + body)
        answer = client.answer()
    if expected is None:
        assert answer.status == 400
        assert calls.pending(address[: address.index("/")]) == 0
        return
    assert answer.status == 200
    call = calls.reserve()
    calls.end(call)
    usual = (b"REQUEST_METHOD=", b"QUERY_STRING=", b"HTTP_HOST=", b"CALL_ID=", b"FUNC_NAME=")
    assert sorted(it for it in call.environment if not it.startswith(usual)) == sorted(expected)


def test_environment_that_is_too_large_stores_nothing(web, calls, address):
    headers = {f"X-{n}": "x" * 8000 for n in range(9)}
    answer = web.request("POST", f"/call/{address}", b"", headers)
    assert (answer.status, list(answer.json)) == (413, ["message"])
    assert calls.pending(address[: address.index("/")]) == 0


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (calling.HELLO, 200, "OK"),
        (Outcome(output=b""), 200, "OK"),
        (Outcome(output=b"\0" * MAX_OUTPUT_BYTES), 200, "OK"),
        (Outcome(failure=Failure.FAILED, message="Oh."), 500, "INTERNAL SERVER ERROR"),
        (Outcome(failure=Failure.TIMED_OUT, message="Oh."), 504, "GATEWAY TIMEOUT"),
        (Outcome(failure=Failure.TOO_LARGE, message="Oh."), 509, "OUTPUT TOO LARGE"),
    ],
)  # fmt: skip
def test_sync_call_is_answered_with_its_end_and_removed(
    web, calls, address, outcome, status, reason
):
    body = outcome.output if outcome.failure is None else b'{"message": "Oh."}'
    with web.connection() as connection:  # kept alive, so the end of each answer must be marked
        for _ in range(2):
            with calling.worker(calls, lambda _: outcome):
                connection.request("POST", f"/call/{address}/sync", b"in")
                answer = connection.getresponse()
                assert (answer.status, answer.reason) == (status, reason)
                assert answer.headers["Content-Length"] == str(len(body))
                assert answer.read() == body
    servers.wait_until(
        lambda: not list(calls.store.list_calls(address[: address.index("/")])), "both are removed"
    )


def test_answered_call_is_not_found_when_it_is_asked_again(web, calls, address):
    with calling.worker(calls), web.connection() as connection:
        call_id = servers.exchange(connection, "POST", f"/call/{address}", b"").json["CallId"]
        path = f"/output/{address}/{call_id}"
        assert servers.exchange(connection, "GET", f"{path}/wait").status == 200
        assert servers.exchange(connection, "GET", path).status == 404


def test_call_that_was_answered_over_a_unix_socket_is_removed(module_redis, calls, address):
    """Its client closes once it has read the answer, which no unix socket takes for a reset."""
    name = address[: address.index("/")]
    with servers.folder() as place, calling.worker(calls):
        path = place / "socket"
        web = servers.make_service(place, redis_url=module_redis.url, bind=f"unix:{path}")
        try:
            web.start(lambda: servers.listens(path))
            for _ in range(5):
                answer = servers.exchange_over_unix_socket(path, "POST", f"/call/{address}/sync")
                assert answer.body == b"HelloWorld\n"
            servers.wait_until(lambda: not list(calls.store.list_calls(name)), "they are removed")
        finally:
            web.end()


def test_short_requests_are_answered_while_all_who_may_wait(web, calls, address, clients):
    waiting = [start_sync(clients, web, address) for _ in range(2)]
    held = [calls.reserve() for _ in range(2)]
    for path in (f"/call/{address}/sync", f"/call/{address}/sync"):
        busy = web.request("POST", path, b"")
        assert (busy.status, busy.headers["Retry-After"]) == (503, "5")
    assert calls.pending(address[: address.index("/")]) == 0, "a refused call is not stored"
    short = [web.request("GET", f"/status/{address}") for _ in range(20)]
    assert {answer.status for answer in short} == {200}
    assert not any(future.done() for future in waiting)
    for call in held:
        calls.end(call)
    assert [future.result().body for future in waiting] == [b"HelloWorld\n"] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_who_waits_is_answered_when_the_service_is_told_to_stop(own_redis, clients, number):
    with (
        servers.service(
            redis_url=own_redis.url,
            docker_host=NO_ENGINE,
            graceful_timeout_seconds=servers.NEVER_SECONDS,
        ) as web,
        calling.calls_of(own_redis.url) as calls,
    ):
        address = f"hello/{calls.create_func('hello')}"
        runs = start_sync(clients, web, address)
        call = calls.reserve()
        pends = start_sync(clients, web, address)
        servers.wait_until(lambda: calls.pending("hello"), "the second call is stored")
        follower = clients.submit(web.request, "GET", f"/logs/{address}?follow=1")
        time.sleep(0.2)
        os.kill(web.pid, number)
        servers.wait_until(lambda: not web.is_running, "the service ends")
        assert runs.result().json == {"CallId": call.id, "Status": "RUNNING"}
        assert (runs.result().status, pends.result().status) == (201, 202)
        assert pends.result().json["Status"] == "PENDING"
        assert len(calling.events_of(follower.result().body)) == 5  # complete
        assert "Traceback" not in web.log()


@pytest.mark.parametrize("go", ["close", "reset"])
def test_client_that_went_away_frees_its_thread_and_its_call_goes_on(web, calls, address, go):
    raw = [RawClient(web.port) for _ in range(2)]
    for client in raw:
        client.send(request(address, more="/sync"))
    held = [calls.reserve() for _ in range(2)]
    assert web.request("POST", f"/call/{address}/sync", b"").status == 503
    for client in raw:
        with client:
            if go == "reset":
                client.reset()
    with calling.worker(calls):
        servers.wait_until(
            lambda: web.request("POST", f"/call/{address}/sync", b"").status == 200,
            "the places are free",
        )
    for call in held:
        calls.end(call)
        assert web.request("GET", f"/output/{address}/{call.id}").body == b"HelloWorld\n"


@pytest.mark.parametrize("more", ["/sync", "/wait"])
def test_client_that_half_closes_gets_its_answer(web, calls, address, more):
    with RawClient(web.port) as client:
        if more == "/sync":
            client.send(request(address, more=more))
            call = calls.reserve()
        else:
            call_id = web.request("POST", f"/call/{address}", b"").json["CallId"]
            call = calls.reserve()
            path = f"/output/{address}/{call_id}/wait"
            client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        client.end_sending()
        assert not client.has_answer(2.5)  # longer than the pause between two looks
        calls.end(call)
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b"HelloWorld\n")
        assert client.is_closed()
    path = f"/output/{address}/{call.id}"
    servers.wait_until(lambda: web.request("HEAD", path).status == 404, "it is removed")


def test_client_that_sends_its_next_request_already_is_there(web, calls, address):
    with RawClient(web.port) as client:
        client.send(
            request(address, more="/sync") + b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        call = calls.reserve()
        assert not client.has_answer(2.5)  # longer than the pause between two looks
        calls.end(call)
        assert client.answer().body == b"HelloWorld\n"
        assert client.answer().body == b"OK"


LARGE = Outcome(output=b"x" * MAX_OUTPUT_BYTES)


@pytest.mark.parametrize("more", ["", "/wait"])
@pytest.mark.parametrize("read_bytes", [0, 1, 65536])
def test_output_stays_where_the_client_goes_in_the_middle(web, calls, address, read_bytes, more):
    call_id = web.request("POST", f"/call/{address}", b"").json["CallId"]
    calls.end(calls.reserve(), LARGE)
    sock = socket.socket()
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((servers.LOOPBACK, web.port))
        sock.sendall(
            f"GET /output/{address}/{call_id}{more} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        left = read_bytes
        while left:
            left -= len(sock.recv(left))
        if not read_bytes:
            time.sleep(0.2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.3)
    for _ in range(2):
        answer = web.request("HEAD", f"/output/{address}/{call_id}")
        assert answer.status == 200, "the output is still there"
    answer = web.request("GET", f"/output/{address}/{call_id}")
    assert answer.body == LARGE.output
    path = f"/output/{address}/{call_id}"
    servers.wait_until(lambda: web.request("HEAD", path).status == 404, "it is removed")


def test_client_that_reads_slowly_gets_everything_and_then_it_is_removed(web, calls, address):
    call_id = web.request("POST", f"/call/{address}", b"").json["CallId"]
    calls.end(calls.reserve(), LARGE)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.connect((servers.LOOPBACK, web.port))
        path = f"/output/{address}/{call_id}"
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        received = b""
        while piece := sock.recv(16384):
            received += piece
            time.sleep(0.02)
    assert received.endswith(LARGE.output)
    servers.wait_until(lambda: web.request("HEAD", path).status == 404, "it is removed")


def test_client_that_vanished_before_the_end_loses_no_output(web, calls, address):
    with RawClient(web.port) as client:
        client.send(request(address, more="/sync"))
        call = calls.reserve()
        client.reset()
    calls.end(call)
    time.sleep(2.5)  # the waiting request has woken and found no client
    answer = web.request("GET", f"/output/{address}/{call.id}")
    assert (answer.status, answer.body) == (200, b"HelloWorld\n")


def test_call_outlives_a_service_that_is_killed_while_it_waits(own_redis, clients):
    with calling.calls_of(own_redis.url) as calls:
        address = f"hello/{calls.create_func('hello')}"
        with servers.service(redis_url=own_redis.url, docker_host=NO_ENGINE) as web:
            waiter = start_sync(clients, web, address)
            call = calls.reserve()
            pids = web.worker_pids()
            web.kill()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert waiter.exception() is not None
        calls.end(call)
        with servers.service(redis_url=own_redis.url, docker_host=NO_ENGINE) as web:
            assert web.request("GET", f"/output/{address}/{call.id}").body == b"HelloWorld\n"


def test_wait_and_follower_outlast_a_redis_that_starts_again(clients):
    with (
        servers.redis_server(appendonly="yes", appendfsync="always") as redis,
        servers.service(redis_url=redis.url, docker_host=NO_ENGINE) as web,
        calling.calls_of(redis.url) as calls,
    ):
        address = f"hello/{calls.create_func('hello')}"
        waiter = start_sync(clients, web, address)
        call = calls.reserve()
        follower = clients.submit(
            web.request, "GET", f"/logs/{address}?follow=1&callid={call.id}", timeout=60
        )
        time.sleep(0.3)
        redis.kill()
        time.sleep(1)
        redis.start()
        servers.wait_until(lambda: ended(calls, call), "the call is ended")
        assert waiter.result().body == b"HelloWorld\n"
        names = [name for name, _ in calling.events_of(follower.result().body)]
        assert names == ["CALL", "PENDING", "RUNNING", "FINISHED"]
        assert "Traceback" not in web.log()


def ended(calls: calling.Calls, call: ReservedCall) -> bool:
    with contextlib.suppress(StoreUnavailable):
        calls.queue.end_call(call.token, calling.HELLO)
        return True
    return False


def test_no_uuid_is_ever_logged(web, calls, address):
    name, _, uuid = address.partition("/")
    with calling.worker(calls):
        call_id = web.request("POST", f"/call/{address}", b"").json["CallId"]
        paths = [
            f"/call/{address}/sync", f"/call/{address}/nowhere", f"/status/{address}?list=x",
            f"/output/{address}/{call_id}/wait", f"/output/{address}/{call_id}",
            f"/logs/{address}?tail=x", f"/logs/{address}", f"/call/{name}x/{uuid}",
            f"/call/{address}?uuid={uuid}", f"/call/{name}/{uuid.upper()}",
        ]  # fmt: skip
        statuses = [web.request("GET", path).status for path in paths]
    assert statuses == [200, 404, 400, 200, 404, 400, 200, 404, 200, 404]
    servers.wait_until(
        lambda: sum(name in line["path"] for line in web.access_lines()) > len(paths),
        "every request is in the access log",
    )
    assert uuid not in web.log().lower()
    assert "Traceback" not in web.log()
