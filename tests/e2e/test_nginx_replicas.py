"""Several web processes behind docs/nginx.conf: each gets requests, and one can be replaced."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from dev import servers
from dev.servers import nginx_server
from tests.e2e.load import under_load

GIVEN = {
    "docker_host": "unix:///nonexistent",
    "trusted_proxies": "127.0.0.1",
    "proxy_guards": "true",
}


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    with servers.service(redis_url=module_redis.url, **GIVEN) as server:
        yield server


@pytest.fixture
def webs(
    web: servers.Service, module_redis: servers.RedisServer
) -> Iterator[list[servers.Service]]:
    """Two services over one Redis."""
    with servers.service(redis_url=module_redis.url, **GIVEN) as second:
        yield [web, second]


def requests_of(address: str) -> list[tuple[str, str, bytes | None]]:
    """Return requests of every kind, among them calls by each method."""
    return [
        ("POST", f"/call/{address}", b"x" * 20_000),
        ("GET", f"/call/{address}", None),
        ("PUT", f"/call/{address}", b"x"),
        ("DELETE", f"/call/{address}", None),
        ("GET", f"/status/{address}", None),
        ("GET", f"/logs/{address}?tail=1", None),
        ("GET", "/healthz", None),
    ]


def count(web: servers.Service) -> int:
    """Return how many requests a service has answered."""
    return web.log().count('"request_id"')


def wait_for_requests(web: servers.Service) -> None:
    """Wait until a service gets requests from now on."""
    before = count(web)
    servers.wait_until(lambda: count(web) > before, "it gets requests")


def test_web_process_is_replaced_without_a_lost_request(webs, address, calls):
    with nginx_server(*(web.port for web in webs)) as proxy:
        with under_load(proxy, *requests_of(address)) as answers:
            for web in webs:
                wait_for_requests(web)
                web.end()
                answers.wait_for_more()
                web.start()
                wait_for_requests(web)
        answers.assert_all_200()
        asked = answers.counts[200]
        servers.wait_until(lambda: len(proxy.logged()) == asked, "nginx has logged all")
        made = [line for line in proxy.logged() if line["path"].startswith("/call/")]
    assert calls.pending(address.partition("/")[0]) == len(made), "each call once"


def test_single_web_process_that_is_away_is_said_in_json_at_once():
    with nginx_server(servers.free_port()) as proxy:
        for method in ("GET", "POST"):
            answer = proxy.request(method, "/call/name/uuid", b"payload")
            assert (answer.status, answer.json) == (502, {"message": "funcsvc does not answer."})
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["X-Request-Id"]
            assert answer.seconds < 2


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_call_of_which_something_was_sent_is_not_sent_again(web, calls, address, method):
    with breaking_listener() as (port, taken), nginx_server(port, web.port) as proxy:
        statuses = []
        while 502 not in statuses:
            assert len(statuses) < 10
            statuses.append(proxy.request(method, f"/call/{address}", b"x").status)
    assert len(taken) == 1
    assert calls.pending(address.partition("/")[0]) == len(statuses) - 1, "the others"


def test_create_of_which_something_was_sent_is_not_sent_again(web):
    with breaking_listener() as (port, taken), nginx_server(port, web.port) as proxy:
        statuses = [proxy.request("POST", "/funcs/create", b"{}").status for _ in range(6)]
    assert statuses.count(502) == len(taken) > 0
    assert set(statuses) == {400, 502}


def test_request_that_changes_nothing_goes_on_to_the_next(web, address):
    with breaking_listener() as (port, taken), nginx_server(port, web.port) as proxy:
        statuses = [proxy.request("GET", f"/status/{address}").status for _ in range(6)]
    assert statuses == [200] * 6
    assert taken


@contextlib.contextmanager
def breaking_listener() -> Iterator[tuple[int, list[bytes]]]:
    """Accept connections, and close each once something was received."""
    taken: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    taken.append(connection.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_replicas_behind_a_dns_name_are_found_and_forgotten(module_redis, address):
    port = servers.free_port()
    given = {"redis_url": module_redis.url, **GIVEN, "trusted_proxies": "127.0.0.0/8"}
    with (
        servers.dns_server("127.0.0.1") as dns,
        replica(f"127.0.0.1:{port}", **given) as first,
        replica(f"127.0.0.2:{port}", **given) as second,
        nginx_server(name=f"web.example:{port}", resolver=dns.address) as proxy,
        under_load(proxy, *requests_of(address)) as answers,
    ):
        assert (count(first) > 0, count(second)) == (True, 0)
        dns.addresses.append("127.0.0.2")
        servers.wait_until(lambda: count(second) > 0, "the second gets requests")
        dns.addresses.remove("127.0.0.1")
        servers.wait_until(lambda: gets_nothing(first, answers), "the first gets no more")
        first.end()
        answers.wait_for_more()
    answers.assert_all_200()


@contextlib.contextmanager
def replica(bind: str, **settings: str) -> Iterator[servers.Service]:
    """Run a service at an address of loopback."""
    host, _, port = bind.partition(":")
    with servers.folder() as place:
        web = servers.make_service(place, **settings, bind=bind)

        def accepts() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0

        try:
            web.start(accepts)
            yield web
        finally:
            web.end()


def gets_nothing(web, answers) -> bool:
    before = count(web)
    answers.wait_for_more()
    return count(web) == before
