"""Unusual clients: broken HTTP, slow and broken bodies, many at once, odd but valid requests."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import docker
import pytest
import redis

from dev import servers
from funcsvc.store.keys import RedisKeys
from tests.e2e.raw_http import RawClient

BODY_SECONDS = 1
THREADS = 5
UUID = "e62c014e-386c-42ea-8d07-41d44e98cc3d"


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer, docker_host: str) -> Iterator[servers.Service]:
    """A service with few threads and short timeouts."""
    with servers.service(
        redis_url=module_redis.url,
        docker_host=docker_host,
        threads=THREADS,
        max_pulls=1,
        body_timeout_seconds=BODY_SECONDS,
    ) as server:
        yield server


@pytest.fixture
def definition(image: str, request: pytest.FixtureRequest) -> bytes:
    """A valid definition with a name for one test."""
    name = f"http-{abs(hash(request.node.name))}"
    return json.dumps({"Name": name, "Config": {"Image": image, "Cmd": "true"}}).encode()


def head(*lines: str, length: int | None = None) -> bytes:
    """Return the head of a create."""
    fields = ["Host: localhost", "Content-Type: application/json", *lines]
    if length is not None:
        fields.append(f"Content-Length: {length}")
    return "\r\n".join(["POST /funcs/create HTTP/1.1", *fields, "", ""]).encode()


def chunked(data: bytes, size: int = 1000) -> bytes:
    """Return data in chunked encoding."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def assert_json_error(answer: servers.Answer, status: int) -> None:
    """Check the status and the shape of an error."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["message"]
    assert answer.json["message"].endswith(".")
    assert b"<" not in answer.body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nno colon here\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n", 400),
        (head("Content-Length: nine"), 400),
        (head("Content-Length: -1"), 400),
        (head("Content-Length: 3", "Content-Length: 4") + b"abcd", 400),
        (head("Content-Length: 3", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (head("Transfer-Encoding: bogus"), 501),
        (head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
        (head("Transfer-Encoding: identity, chunked") + b"0\r\n\r\n", 501),
        (head("Transfer-Encoding: deflate", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 501),
        (head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: a\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_malformed_http_is_answered_in_json(raw: RawClient, data: bytes, status: int) -> None:
    raw.send(data)
    assert_json_error(raw.answer(), status)
    assert raw.is_closed()


@pytest.mark.parametrize(
    "body", [b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}0\r\n\r\n", b"-1\r\n", b"5;\r\n{}", b"\r\n"]
)
def test_malformed_chunks_are_400_and_end_the_connection(raw: RawClient, body: bytes) -> None:
    raw.send(head("Transfer-Encoding: chunked") + body)
    assert_json_error(raw.answer(), 400)
    assert raw.is_closed()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_that_does_not_arrive_is_400_in_time_and_frees_its_thread(
    web: servers.Service, definition: bytes, framing: str
) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawClient(web.port)) for _ in range(THREADS)]
        for client in clients:
            if framing == "length":
                client.send(head(length=len(definition)) + definition[:20])
            else:
                client.send(head("Transfer-Encoding: chunked") + b"%x\r\n{" % len(definition))
        for answer in [client.answer() for client in clients]:
            assert_json_error(answer, 400)
            assert answer.seconds < servers.PATIENCE_SECONDS / 2
        assert web.request("GET", "/healthz").status == 200
        assert all(client.is_closed() for client in clients)


def test_body_that_drips_is_400_in_time(raw: RawClient, definition: bytes) -> None:
    raw.send(head(length=10_000))
    start = time.monotonic()
    while time.monotonic() - start < BODY_SECONDS * 5 and not raw.has_answer(BODY_SECONDS / 5):
        raw.send(b" ")
    answer = raw.answer()
    assert_json_error(answer, 400)
    assert time.monotonic() - start < BODY_SECONDS + 2


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_that_breaks_off_is_400_and_stores_nothing(
    raw: RawClient, module_redis: servers.RedisServer, definition: bytes, framing: str
) -> None:
    if framing == "length":
        raw.send(head(length=len(definition) + 1) + definition)
    else:
        raw.send(head("Transfer-Encoding: chunked") + chunked(definition)[: -len(b"0\r\n\r\n")])
    raw.end_sending()
    assert_json_error(raw.answer(), 400)
    name = json.loads(definition)["Name"]
    with module_redis.client() as client:
        assert client.get(RedisKeys("funcsvc:").func(name)) is None


def test_client_that_breaks_off_and_goes_away_leaves_no_trace(
    web: servers.Service, definition: bytes
) -> None:
    for sent in (b"POST", head(length=100), head(length=100) + b"{", head()):
        with RawClient(web.port) as client:
            client.send(sent)
            client.reset()
    for _ in range(THREADS * 2):
        assert web.is_healthy()
    assert "Traceback" not in web.log()


@pytest.mark.parametrize("size", [256 * 1024 + 1, 300 * 1024, 3 * 1024 * 1024])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_over_the_limit_is_413_and_the_connection_serves_on_or_closes(
    web: servers.Service, raw: RawClient, size: int, framing: str
) -> None:
    body = b'{"Name": "' + b"a" * size
    with contextlib.suppress(OSError):  # the service might not read what it refuses
        if framing == "length":
            raw.send(head(length=len(body)) + body)
        else:
            raw.send(head("Transfer-Encoding: chunked") + chunked(body, 8000))
    answer = raw.answer()
    assert_json_error(answer, 413)
    sentence = f"The request body is too large: at most {256 * 1024} bytes are accepted."
    assert answer.json["message"] == sentence
    if not raw.is_closed(0.2):
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.answer().status == 200
    assert web.is_healthy()


def test_body_of_exactly_the_limit_is_read(raw: RawClient, definition: bytes) -> None:
    raw.send(head(length=256 * 1024) + definition.ljust(256 * 1024))
    assert raw.answer().status == 201


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunked_body_is_accepted(raw: RawClient, definition: bytes, size: int) -> None:
    raw.send(head("Transfer-Encoding: chunked") + chunked(definition, size))
    assert raw.answer().status == 201


def test_expect_continue_is_answered_before_the_body(raw: RawClient, definition: bytes) -> None:
    raw.send(head("Expect: 100-continue", length=len(definition)))
    assert raw.line() == b"HTTP/1.1 100 Continue\r\n"
    assert raw.line() == b"\r\n"
    raw.send(definition)
    assert raw.answer().status == 201


def test_expect_continue_is_answered_behind_another_request(
    raw: RawClient, definition: bytes
) -> None:
    ahead = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    raw.send(ahead + head("Expect: 100-continue", length=len(definition)))
    assert raw.answer().status == 200
    assert [raw.line(), raw.line()] == [b"HTTP/1.1 100 Continue\r\n", b"\r\n"]
    raw.send(definition)
    assert raw.answer().status == 201


def test_one_connection_serves_many_requests(web: servers.Service, image: str) -> None:
    with web.connection() as connection:
        for number in range(20):
            config = {"Image": image, "Cmd": ["true"]}
            answer = servers.exchange(
                connection, "POST", "/funcs/create", {"Name": f"kept-{number}", "Config": config}
            )
            assert answer.status == 201
            refused = servers.exchange(connection, "POST", "/funcs/create", b"{")
            assert refused.status == 400
            missing = servers.exchange(connection, "GET", "/nowhere")
            assert missing.status == 404
            if number == 0:
                local = connection.sock.getsockname()
        assert connection.sock.getsockname() == local


def test_pipelined_requests_are_answered_in_order(raw: RawClient) -> None:
    raw.send(
        b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % it for it in (b"/healthz", b"/x"))
    )
    assert [raw.answer().status, raw.answer().status] == [200, 404]


def test_slow_clients_do_not_stop_health(web: servers.Service, definition: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for sent in [head(length=len(definition)) + b"{"] * 20:
            stack.enter_context(RawClient(web.port)).send(sent)
        answer = web.request("GET", "/healthz")
        assert answer.status == 200
        assert answer.seconds < BODY_SECONDS * (20 / THREADS + 1)


def test_connections_that_send_nothing_do_not_stop_health(web: servers.Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(RawClient(web.port))
        answer = web.request("GET", "/healthz")
        assert answer.status == 200
        assert answer.seconds < 2


def test_clients_that_never_close_do_not_stop_health(web: servers.Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(RawClient(web.port))
            client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.answer().status == 200
        answer = web.request("GET", "/healthz")
        assert answer.status == 200
        assert answer.seconds < 1


def test_heads_that_never_end_do_not_stop_health(web: servers.Service) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(RawClient(web.port)).send(b"GET /healthz HTTP/1.1\r\nHost: ")
        answer = web.request("GET", "/healthz")
        assert answer.status == 200
        assert answer.seconds < BODY_SECONDS * (20 / THREADS + 1)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/funcs", 405),
        ("DELETE", "/_ping", 405),
        ("BREW", "/funcs/create", 405),
        ("GET", "/%00", 404),
        ("GET", "/%ff%fe", 404),
        ("GET", "//funcs//create", 404),
        ("GET", "/v1.23.4/_ping", 404),
    ],
)
def test_unknown_paths_and_methods_are_json(
    web: servers.Service, method: str, path: str, status: int
) -> None:
    assert_json_error(web.request(method, path), status)


def test_head_and_options_answer_without_a_body(web: servers.Service) -> None:
    for method in ("HEAD", "OPTIONS"):
        answer = web.request(method, "/_ping")
        assert (answer.status, answer.body) == (200, b"")


def test_docker_py_pings_and_asks_the_version(web: servers.Service) -> None:
    oldest = docker.constants.MINIMUM_DOCKER_API_VERSION
    base_url = web.url.replace("http://", "tcp://")
    with docker.APIClient(base_url=base_url, version=oldest, timeout=5) as client:
        assert client.ping() is True
        version = client.version()
        assert version["ApiVersion"] == "1.23"
        assert client.version(api_version=False) == version
    for prefix in ("", "/v1.23"):
        answer = web.request("GET", f"{prefix}/_ping")
        assert (answer.status, answer.body) == (200, b"OK")
        assert answer.headers["API-Version"] == "1.23"
        assert web.request("GET", f"{prefix}/version").json == version


def test_stored_definition_is_the_answer_whatever_the_characters(
    raw: RawClient, module_redis: servers.RedisServer, image: str
) -> None:
    words = ["naïve", "日本語", "🙂", '"quoted"', "a\\b", "\u2028", "\x7f", "tab\t"]
    config = {"Image": image, "Cmd": words, "Env": [f"W={word}" for word in words]}
    body = json.dumps({"Name": "characters", "Config": config}, ensure_ascii=False).encode()
    raw.send(head(length=len(body)) + body)
    answer = raw.answer()
    assert answer.status == 201
    assert answer.json["Config"]["Cmd"] == words
    client: redis.Redis
    with module_redis.client() as client:
        assert client.get(RedisKeys("funcsvc:").func("characters")) == answer.body
