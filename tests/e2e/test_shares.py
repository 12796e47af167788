"""How functions share the places of a web process, for waits, followed logs and long answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev import servers
from funcsvc.model import MAX_OUTPUT_BYTES, Outcome
from tests.e2e import calling
from tests.e2e.raw_http import RawClient

PLACES = 4
LARGE = Outcome(output=b"x" * MAX_OUTPUT_BYTES)


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """A service with four places of each kind, of which two are a function's share."""
    places = {"max_waits": PLACES, "max_followers": PLACES, "max_long_answers": PLACES}
    with servers.service(redis_url=module_redis.url, threads=32, **places) as server:
        yield server


@pytest.fixture
def addresses(calls: calling.Calls, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The addresses of two funcs: a busy one, and another."""
    names = [f"{kind}{abs(hash(request.node.name))}" for kind in ("busy", "other")]
    busy, other = (f"{name}/{calls.create_func(name)}" for name in names)
    return busy, other


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def test_func_alone_waits_in_every_place_and_gives_way_to_another(web, calls, addresses):
    busy, other = addresses
    with ThreadPoolExecutor(PLACES + 1) as clients:
        waiting, held = [], []
        for _ in range(PLACES):
            waiting.append(clients.submit(web.request, "POST", f"/call/{busy}/sync", b""))
            held.append(calls.reserve())
        refused = web.request("POST", f"/call/{busy}/sync", b"")
        assert refused.json["message"].startswith("4 requests already wait for the end of a call,")
        assert not any(future.done() for future in waiting)

        refused = web.request("POST", f"/call/{other}/sync", b"")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        longest = waiting.pop(0).result(servers.PATIENCE_SECONDS)
        assert (longest.status, longest.json) == (
            201,
            {"CallId": held[0].id, "Status": "RUNNING"},
        )
        refused = web.request("POST", f"/call/{busy}/sync", b"")
        assert refused.json["message"].startswith("2 requests already wait for the end of a call ")
        waiting.append(clients.submit(web.request, "POST", f"/call/{other}/sync", b""))
        held.append(calls.reserve())
        for call in held:
            calls.end(call)
        assert [future.result().status for future in waiting] == [200] * PLACES


def test_func_alone_is_followed_in_every_place_and_gives_way_to_another(web, addresses):
    busy, other = addresses
    with contextlib.ExitStack() as stack:
        followers = [stack.enter_context(RawClient(web.port)) for _ in range(PLACES)]
        for client in followers:
            client.send(get(f"/logs/{busy}?follow=1"))
            assert client.has_answer(servers.PATIENCE_SECONDS)
        assert web.request("GET", f"/logs/{other}?follow=1").status == 503
        longest = followers[0].answer()  # it is whole, and over
        assert (longest.status, longest.body) == (200, b"")
        last = stack.enter_context(RawClient(web.port))
        last.send(get(f"/logs/{other}?follow=1"))
        assert last.line() == b"HTTP/1.1 200 OK\r\n"


def test_slow_readers_of_one_func_leave_places_to_others_and_to_management(web, calls, addresses):
    busy, other = addresses

    def finished(address: str) -> str:
        call_id = web.request("POST", f"/call/{address}", b"").json["CallId"]
        calls.end(calls.reserve(), LARGE)
        return f"/output/{address}/{call_id}"

    for number in range(4):
        calls.create_func(f"large-{number}", Env=[f"A={'x' * 40_000}"])
    with contextlib.ExitStack() as stack:
        readers = {}
        for path in [finished(busy) for _ in range(3)]:
            readers[path] = stack.enter_context(RawClient(web.port, receive_bytes=4096))
            readers[path].send(get(path))
        statuses = sorted(client.line().split()[1] for client in readers.values())
        assert statuses == [b"200", b"200", b"503"]
        answer = web.request("GET", finished(other))
        assert (answer.status, len(answer.body)) == (200, MAX_OUTPUT_BYTES)
        slow = stack.enter_context(RawClient(web.port, receive_bytes=4096))
        slow.send(get(finished(other)))
        assert slow.line() == b"HTTP/1.1 200 OK\r\n"
        assert len(web.request("GET", "/funcs").body) > 100_000  # all places are taken but one
