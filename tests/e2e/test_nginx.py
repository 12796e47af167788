"""The service behind nginx, with the configuration in docs/nginx.conf."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dev import servers
from dev.servers import NginxServer, nginx_server
from funcsvc.model import MAX_OUTPUT_BYTES, MAX_PAYLOAD_BYTES, Outcome
from tests.e2e import calling
from tests.e2e.raw_http import RawClient
from tests.e2e.test_call_logs import LIFE, Follower, run_call

KEYS = ["time", "request_id", "client", "method", "path", "status", "bytes", "seconds"]


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """A service in which two requests can wait and two can follow."""
    with servers.service(
        redis_url=module_redis.url,
        docker_host="unix:///nonexistent",
        threads=10,
        max_waits=2,
        max_followers=2,
        func_share_percent=100,
        trusted_proxies="127.0.0.1",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(web: servers.Service) -> Iterator[NginxServer]:
    with nginx_server(web.port) as server:
        yield server


def test_call_passes_with_its_whole_payload(proxy, calls, address):
    payload = bytes(range(256)) * (MAX_PAYLOAD_BYTES // 256)
    answer = proxy.request("PUT", f"/call/{address}?a=%20", payload, {"X-Mine": "1"})
    assert (answer.status, list(answer.json)) == (200, ["CallId"])
    call = calls.reserve()
    assert call.payload == payload
    assert {
        b"REQUEST_METHOD=PUT", b"QUERY_STRING=a=%20", b"HTTP_X_MINE=1",
        f"HTTP_HOST=127.0.0.1:{proxy.port}".encode(), b"CONTENT_LENGTH=1048576",
    } <= set(call.environment)  # fmt: skip
    calls.end(call)
    assert proxy.request("GET", f"/output/{address}/{call.id}").body == b"HelloWorld\n"
    servers.wait_until(
        lambda: proxy.request("GET", f"/output/{address}/{call.id}").status == 404, "it is removed"
    )


@pytest.mark.parametrize("size", [MAX_PAYLOAD_BYTES + 1, 2 * MAX_PAYLOAD_BYTES + 1])
def test_payload_that_is_too_large_is_refused_in_json(proxy, address, size):
    answer = proxy.request("POST", f"/call/{address}", b"x" * size)
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/json")
    assert answer.json["message"].startswith("The request body is too large")


def test_sync_call_is_answered(proxy, calls, address):
    large = Outcome(output=b"x" * MAX_OUTPUT_BYTES)
    with calling.worker(calls, lambda _: large):
        answer = proxy.request("POST", f"/call/{address}/sync", b"in")
    assert (answer.status, answer.body) == (200, large.output)


@pytest.mark.parametrize("upgrade", [False, True])
def test_log_is_followed(proxy, web, calls, address, upgrade):
    run_call(web, calls, address)
    with Follower(proxy.port, address, upgrade=upgrade) as client:
        head = client.head()
        if upgrade:
            assert head[0] == "HTTP/1.1 101 UPGRADED"
            assert {"Connection: upgrade", "Upgrade: tcp"} <= set(head)
        else:
            assert head[0] == "HTTP/1.1 200 OK"
        assert client.events(4) == LIFE
        run_call(web, calls, address)
        assert client.events(4) == LIFE  # nginx holds nothing back
    with Follower(proxy.port, address, "", upgrade=upgrade) as client:
        client.head()
        assert client.events(8) == LIFE * 2
        assert not upgrade or client.is_closed()


@pytest.mark.parametrize(
    ("method", "kind", "more"), [("POST", "call", "/sync"), ("GET", "logs", "?follow=1")]
)
def test_client_that_went_away_frees_its_thread(proxy, web, calls, address, method, kind, more):
    target = f"/{kind}/{address}{more}"

    def is_free() -> bool:
        with calling.worker(calls):
            if kind == "call":
                return web.request("POST", target, b"").status == 200
        return web.request("HEAD", target).status == 200

    with contextlib.ExitStack() as stack:

        def has_place() -> bool:
            client = stack.enter_context(RawClient(proxy.port))
            head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            client.send(head.encode())
            return kind == "call" or client.line() == b"HTTP/1.1 200 OK\r\n"

        for _ in range(2):  # those who went away in the tests before leave when they are in the way
            servers.wait_until(has_place, "there is a place")
        held = [calls.reserve() for _ in range(2) if kind == "call"]
        assert web.request(method, target).status == 503
    servers.wait_until(is_free, "the places are free")
    for call in held:
        calls.end(call)


@pytest.mark.parametrize("seconds", [0, 1])
def test_client_that_goes_in_the_middle_loses_no_output(proxy, calls, address, seconds):
    """Neither at once nor after nginx has read ahead as far as it does."""
    call_id = proxy.request("POST", f"/call/{address}", b"").json["CallId"]
    large = Outcome(output=b"x" * MAX_OUTPUT_BYTES)
    calls.end(calls.reserve(), large)
    with RawClient(proxy.port, receive_bytes=4096) as client:
        client.send(f"GET /output/{address}/{call_id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert client.line() == b"HTTP/1.1 200 OK\r\n"
        time.sleep(seconds)
        client.reset()
    time.sleep(0.5)
    assert proxy.request("GET", f"/output/{address}/{call_id}").body == large.output


@pytest.mark.parametrize("go", [RawClient.end_sending, RawClient.reset])
def test_nginx_ends_a_wait_whose_client_closes_or_half_closes_and_no_output_is_lost(
    proxy, calls, address, go
):
    """With proxy_ignore_client_abort, nginx would take the output of a client that is gone."""
    call_id = proxy.request("POST", f"/call/{address}", b"").json["CallId"]
    call = calls.reserve()
    path = f"/output/{address}/{call_id}"
    with RawClient(proxy.port) as client:
        client.send(f"GET {path}/wait HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert not client.has_answer(0.5)
        go(client)
        assert go is RawClient.reset or client.is_closed()
    servers.wait_until(
        lambda: any(call_id in it["path"] and it["status"] == 499 for it in proxy.logged()),
        "nginx ends it",
    )
    calls.end(call)
    assert proxy.request("GET", f"{path}/wait").body == b"HelloWorld\n"


HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
NO_HTTP = "The request is not valid HTTP, or should have come over TLS."
NGINX_ERRORS = {
    "no request": (b"\x16\x03\x01\r\n\r\n", 400, NO_HTTP),
    "no host": (b"GET /funcs HTTP/1.1\r\n\r\n", 400, NO_HTTP),
    "two hosts": (b"GET /funcs" + HEAD + b"Host: b\r\n\r\n", 400, NO_HTTP),
    "invalid host": (b"GET /funcs HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, NO_HTTP),
    "invalid path": (b"GET /%zz" + HEAD + b"\r\n", 400, NO_HTTP),
    "invalid length": (b"POST /funcs/create" + HEAD + b"Content-Length: x\r\n\r\n", 400, NO_HTTP),
    "invalid chunk": (
        b"POST /funcs/create" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NO_HTTP,
    ),
    "nginx's own path": (
        b"GET /nginx-error" + HEAD + b"\r\n", 404, "There is nothing at this path.",
    ),
    "trace": (b"TRACE /funcs" + HEAD + b"\r\n", 405, "The method is not allowed."),
    "large body": (
        b"POST /funcs/create" + HEAD + b"Content-Length: 9999999\r\n\r\n", 413,
        "The request body is too large.",
    ),
    "long line": (b"GET /" + b"a" * 9000 + HEAD + b"\r\n", 414, "The request line is too long."),
    "long header": (
        b"GET /funcs" + HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431,
        "The request's header fields are too many or too long.",
    ),
    "many headers": (
        b"GET /funcs" + HEAD + 60 * (b"X: " + b"a" * 1000 + b"\r\n") + b"\r\n", 431,
        "The request's header fields are too many or too long.",
    ),
    "coding": (
        b"POST /funcs/create" + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
        "The request's Transfer-Encoding is not supported.",
    ),
    "version": (
        b"GET /funcs HTTP/2.0\r\nHost: localhost\r\n\r\n", 505,
        "The request's version of HTTP is not supported.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("request_bytes", "status", "message"), NGINX_ERRORS.values(), ids=NGINX_ERRORS
)
def test_every_error_of_nginx_itself_is_json(proxy, request_bytes, status, message):
    with RawClient(proxy.port) as client:
        client.send(request_bytes)
        answer = client.answer()
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.json == {"message": message}
    logged = access_line(proxy, answer.headers["X-Request-Id"])
    method = request_bytes.partition(b" ")[0].decode()
    assert logged["method"] == (method if method.isalpha() else "")


def access_line(proxy: NginxServer, request_id: str) -> dict[str, Any]:
    """Return the access line of a request, which nginx writes after its answer."""

    def line() -> dict[str, Any] | None:
        return next((line for line in proxy.logged() if line["request_id"] == request_id), None)

    found = servers.wait_until(line, "it is logged")
    assert found
    return found


@pytest.mark.parametrize(
    "trailer",
    [b"X-Sum: 1", b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Authorization: x",
     b"no name", b"X-Long: " + b"y" * 9000],
)  # fmt: skip
def test_trailer_of_a_chunked_payload_is_ignored_with_and_without_nginx(
    proxy, web, calls, address, trailer
):
    for port in (web.port, proxy.port):
        with RawClient(port) as client:
            head = b"POST /call/" + address.encode() + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
            client.send(head + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n")
            assert client.answer().status == 200
            client.send(b"GET /healthz" + HEAD + b"\r\n")
            assert client.answer().status == 200
        call = calls.reserve()
        assert call.payload == b"abc"
        calls.end(call)


def test_no_uuid_is_logged(proxy, web, calls, address):
    name, _, uuid = address.partition("/")
    paths = [
        f"/call/{address}", f"/call/{address}/sync?key={uuid}", f"/status/{address}",
        f"/logs/{address}", f"/output/{address}/nothing/wait", f"/v1.23/call/{address}",
        f"//call/{address}", f"/call/{name}/%65{uuid}", f"/nowhere?{uuid}",
    ]  # fmt: skip
    with calling.worker(calls), ThreadPoolExecutor(1) as clients:
        answers = [clients.submit(proxy.request, "GET", path).result() for path in paths]
    ids = [answer.headers["X-Request-Id"] for answer in answers]

    def logged() -> dict[str, dict[str, object]]:
        """Return the access lines by request: nginx writes each after its answer, in any order."""
        return {line["request_id"]: line for line in proxy.logged()}

    servers.wait_until(lambda: logged().keys() >= set(ids), "all are logged")
    lines = [logged()[it] for it in ids]
    assert all(list(line) == KEYS for line in lines)
    assert [line["status"] for line in lines] == [answer.status for answer in answers]
    shown = [line["path"] for line in lines]
    assert shown[:3] == [f"/call/{name}/-", f"/call/{name}/-/sync", f"/status/{name}/-"]
    for text in (proxy.text_of("access.log"), proxy.text_of("error.log"), web.log()):
        assert uuid not in text
