"""What happens to slow and vanished clients over a longer time, run by `make chaos`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dev import servers
from tests.e2e import calling
from tests.e2e.raw_http import RawClient
from tests.e2e.test_call_logs import fill_log

CLOSED_SECONDS = 60 + 15 + 30
"""How long Linux answers for a closed connection, then a probe, and time for a busy machine."""


@pytest.fixture
def redis() -> Iterator[servers.RedisServer]:
    with servers.redis_server() as server:
        yield server


@pytest.fixture
def calls(redis: servers.RedisServer) -> Iterator[calling.Calls]:
    with calling.calls_of(redis.url) as found:
        yield found


def service(redis: servers.RedisServer, **settings: int) -> object:
    return servers.service(redis_url=redis.url, docker_host="unix:///nonexistent", **settings)


def test_slow_reader_is_cut_and_a_steady_one_is_not(redis, calls):
    path = f"/logs/large/{calls.create_func('large')}"
    fill_log(redis, "large", events=18_000)
    with service(redis, min_bytes_per_second=1_000_000) as web:
        with web.connection() as connection:
            connection.request("GET", path)
            steady = connection.getresponse()
            while steady.read(65_536):
                time.sleep(0.02)  # some 3 MB a second
        assert steady.isclosed()
        with RawClient(web.port, receive_bytes=4096) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            servers.wait_until(lambda: "the client reads too slowly" in web.log(), "it is cut")
            with pytest.raises(ConnectionResetError):
                list(iter(client.line, b""))
        assert "Traceback" not in web.log()


def test_client_that_closed_is_noticed_though_nobody_wants_its_place(redis, calls):
    address = f"hello/{calls.create_func('hello')}"
    head = f"POST /call/{address}/sync HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with service(redis) as web:
        with RawClient(web.port) as client:
            client.send(head.encode())
            call = calls.reserve()
        start = time.monotonic()
        servers.wait_until(
            lambda: any(line["path"].endswith("/sync") for line in web.access_lines()),
            "the request has ended",
            CLOSED_SECONDS,
        )
        assert time.monotonic() - start > 15
        calls.end(call)
        assert web.request("GET", f"/output/{address}/{call.id}").body == b"HelloWorld\n"
