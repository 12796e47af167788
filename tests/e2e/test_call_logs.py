"""Following logs through real gunicorn and Redis, over HTTP and the raw connection."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev import servers
from funcsvc.store.keys import RedisKeys
from tests.e2e import calling
from tests.e2e.raw_http import RawClient

NO_ENGINE = "unix:///nonexistent"
LIFE = ["CALL", "PENDING", "RUNNING", "FINISHED"]
UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """A service with one process, in which two requests can follow logs."""
    with servers.service(
        redis_url=module_redis.url,
        docker_host=NO_ENGINE,
        threads=10,
        max_followers=2,
        func_share_percent=100,
    ) as server:
        yield server


class Follower(RawClient):
    """A client that reads a log line by line, over HTTP or upgraded."""

    def __init__(self, port: int, address: str, query: str = "?follow=1", *, upgrade: bool) -> None:
        super().__init__(port)
        self.upgrade = upgrade
        fields = f"Host: localhost\r\n{UPGRADE if upgrade else ''}"
        self.send(f"GET /logs/{address}{query} HTTP/1.1\r\n{fields}\r\n".encode())

    def head(self) -> list[str]:
        """Return the status line and the header lines of the answer."""
        lines = []
        while (line := self.line()) != b"\r\n":
            lines.append(line.decode().rstrip("\r\n"))
        return lines

    def events(self, count: int) -> list[str]:
        """Return the names of the next events."""
        names: list[str] = []
        while len(names) < count:
            line = self.line()
            assert line, f"the log ended after {names}"
            if line.startswith(b"{"):  # the other lines are the lengths of chunks
                names.append(json.loads(line)["Event"])
        return names


def run_call(web: servers.Service, calls: calling.Calls, address: str) -> str:
    """Run a call from its first event to its last."""
    answer = web.request("POST", f"/call/{address}", b"in")
    assert answer.status == 200
    calls.end(calls.reserve())
    return str(answer.json["CallId"])


@pytest.mark.parametrize("upgrade", [False, True])
def test_log_is_followed_by_two_and_no_third(web, calls, address, upgrade):
    run_call(web, calls, address)
    with (
        Follower(web.port, address, upgrade=upgrade) as first,
        Follower(web.port, address, "?follow=1&tail=1", upgrade=not upgrade) as second,
    ):
        heads = {client.upgrade: client.head() for client in (first, second)}
        assert heads[False][0] == "HTTP/1.1 200 OK"
        assert {"Content-Type: application/x-ndjson", "Transfer-Encoding: chunked"} <= set(
            heads[False]
        )
        assert heads[True][:4] == [
            "HTTP/1.1 101 UPGRADED",
            "Content-Type: application/vnd.docker.raw-stream",
            "Connection: Upgrade",
            "Upgrade: tcp",
        ]
        assert (first.events(4), second.events(1)) == (LIFE, LIFE[-1:])
        busy = web.request("GET", f"/logs/{address}?follow=1")
        assert (busy.status, busy.headers["Retry-After"]) == (503, "5")
        assert web.request("GET", f"/logs/{address}").status == 200
        for _ in range(2):
            run_call(web, calls, address)
            assert (first.events(4), second.events(4)) == (LIFE, LIFE)
    path = f"/logs/{address.partition('/')[0]}/-"
    run_call(web, calls, address)  # what is written to a client that closed shows that it is gone

    def ended() -> list[int]:
        return sorted(it["status"] for it in web.access_lines() if it["path"] == path)

    servers.wait_until(
        lambda: ended() == [101, 200, 200, 503],
        "the threads of clients that went away are free",
    )
    assert web.request("HEAD", f"/logs/{address}?follow=1").status == 200


def test_upgraded_answer_is_raw_lines_and_then_the_end(web, calls, address):
    call_id = run_call(web, calls, address)
    with Follower(web.port, address, "", upgrade=True) as client:
        client.head()
        lines = []
        while line := client.line():
            lines.append(json.loads(line))
        assert [line["Event"] for line in lines] == LIFE
        assert {line["CallId"] for line in lines} == {call_id}
    path = f"/logs/{address.partition('/')[0]}/-"
    line = servers.wait_until(
        lambda: next((it for it in web.access_lines() if it["path"] == path), None),
        "the answer is in the access log",
    )
    assert line["status"] == 101
    assert "Traceback" not in web.log()


@pytest.mark.parametrize("upgrade", [False, True])
def test_followed_log_of_one_call_ends_with_it(web, calls, address, upgrade):
    call_id = web.request("POST", f"/call/{address}", b"").json["CallId"]
    query = f"?follow=1&callid={call_id}"
    with Follower(web.port, address, query, upgrade=upgrade) as client:
        client.head()
        assert client.events(2) == LIFE[:2]
        calls.end(calls.reserve())
        assert client.events(2) == LIFE[2:]
        if upgrade:
            assert client.is_closed()
        else:
            assert [client.line() for _ in range(3)] == [b"\r\n", b"0\r\n", b"\r\n"]


@pytest.mark.parametrize("upgrade", [False, True])
def test_client_that_half_closes_follows_on(web, calls, address, upgrade):
    with Follower(web.port, address, upgrade=upgrade) as client:
        client.head()
        client.end_sending()
        assert not client.has_answer(2.5)  # longer than the pause between two looks
        run_call(web, calls, address)
        assert client.events(4) == LIFE
        calls.funcs.delete_func(address.partition("/")[0])
        assert list(iter(client.line, b""))[-1:] == ([] if upgrade else [b"\r\n"])


@pytest.mark.parametrize("upgrade", [False, True])
def test_followed_log_ends_when_the_func_is_removed(web, calls, address, upgrade):
    with Follower(web.port, address, upgrade=upgrade) as client:
        client.head()
        calls.funcs.delete_func(address.partition("/")[0])
        if upgrade:
            assert client.is_closed()
        else:
            assert client.line() == b"0\r\n"


@pytest.mark.parametrize(
    ("query", "address_end", "status"),
    [("?tail=x", "", 400), ("", "x", 404), ("?follow=2", "", 400)],
)
def test_error_before_an_upgrade_is_an_ordinary_answer(web, address, query, address_end, status):
    with Follower(web.port, address + address_end, query, upgrade=True) as client:
        answer = client.answer()
        assert (answer.status, [*answer.json][:1]) == (status, ["message"])
        client.send(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.answer().body == b"OK"


@pytest.mark.parametrize(
    "fields",
    [
        "Connection: keep-alive, upgrade\r\nUpgrade: TCP\r\n",
        "connection: UPGRADE\r\nupgrade: tcp\r\n",
    ],
)
def test_words_of_an_upgrade_are_read_as_http_reads_them(web, address, fields):
    with RawClient(web.port) as client:
        client.send(f"GET /logs/{address} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        assert client.line() == b"HTTP/1.1 101 UPGRADED\r\n"


@pytest.mark.parametrize(
    ("version", "fields"),
    [("1.1", "Upgrade: tcp\r\n"), ("1.1", "Connection: Upgrade\r\n"), ("1.0", UPGRADE),
     ("1.1", "Connection: Upgrade\r\nUpgrade: other\r\n")],
)  # fmt: skip
def test_other_requests_are_not_upgraded(web, calls, address, version, fields):
    run_call(web, calls, address)
    with RawClient(web.port) as client:
        client.send(
            f"GET /logs/{address} HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n".encode()
        )
        answer = client.answer()
    assert (answer.status, len(answer.body.splitlines())) == (200, 4)


def fill_log(redis: servers.RedisServer, name: str, events: int) -> None:
    """Fill a log with more than all buffers between Redis and a client can hold."""
    fields = {"event": "CALL", "call": "218b7b10-0000-4000-8000-000000000000", "stdin": "x" * 255}
    with redis.client() as client, client.pipeline(transaction=False) as pipeline:
        for _ in range(events):
            pipeline.xadd(RedisKeys("funcsvc:").logs(name), fields)  # type: ignore[arg-type]
        pipeline.execute()


@pytest.mark.parametrize(
    ("version", "fields"),
    [("1.1", ""), ("1.0", ""), ("1.1", UPGRADE)],
    ids=["chunked", "until the close", "upgraded"],
)
def test_log_that_breaks_in_its_middle_ends_in_a_reset(own_redis, version, fields):
    """The client must be able to tell it from a complete log."""
    with (
        servers.service(redis_url=own_redis.url, docker_host=NO_ENGINE, threads=10) as web,
        calling.calls_of(own_redis.url) as calls,
    ):
        address = f"hello/{calls.create_func('hello')}"
        fill_log(own_redis, "hello", events=30_000)
        with RawClient(web.port, receive_bytes=4096) as client:
            line = f"GET /logs/{address} HTTP/{version}\r\n"
            client.send(f"{line}Host: localhost\r\n{fields}\r\n".encode())
            assert client.line().split()[1] in (b"200", b"101")
            own_redis.kill()
            with pytest.raises(ConnectionResetError):
                list(iter(client.line, b""))
        assert "Traceback" not in web.log()
