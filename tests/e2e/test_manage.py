"""Managing funcs with real processes: round trips, concurrent updates, dead servers."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dev import servers
from funcsvc.store.keys import RedisKeys

KEYS = RedisKeys("funcsvc:")
CLIENTS = 100
TIMEOUT_SECONDS = 0.5
DEADLINE_SECONDS = 20  # what hangs, hangs for ever


def test_func_goes_round_trip_with_two_workers(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(workers=2)
    for prefix in ("", "/v1.23"):
        created = web.create("hello", image)
        assert created.status == 201
        for _ in range(8):  # reaches both workers
            got = web.request("GET", f"{prefix}/funcs/hello")
            assert (got.status, got.body) == (200, created.body)
        listed = web.request("GET", f"{prefix}/funcs")
        assert (listed.status, listed.body) == (200, b"[" + created.body + b"]")
        updated = web.request("PUT", f"{prefix}/funcs/hello", {"Timeout": 5, "Refresh": True})
        assert (updated.status, updated.json["Timeout"]) == (200, 5)
        assert updated.json["UUID"] != created.json["UUID"]
        for _ in range(8):
            assert web.request("GET", "/funcs/hello").body == updated.body
        deleted = web.request("DELETE", f"{prefix}/funcs/hello")
        assert (deleted.status, deleted.body) == (204, b"")
        assert "Content-Type" not in deleted.headers
        for method in ("GET", "PUT", "DELETE"):
            body = {} if method == "PUT" else None
            assert web.request(method, f"{prefix}/funcs/hello", body).status == 404
        with own_redis.client() as client:
            assert list(client.scan_iter("*")) == []


def test_answers_without_a_body_leave_their_connection_to_the_next(start, image: str) -> None:
    web = start()
    web.create("hello", image)
    with web.connection() as connection:
        for method, path, status in (
            ("HEAD", "/funcs", 200),
            ("HEAD", "/funcs/hello", 200),
            ("OPTIONS", "/funcs/hello", 200),
            ("GET", "/funcs", 200),
            ("DELETE", "/funcs/hello", 204),
            ("HEAD", "/funcs/hello", 404),
            ("GET", "/funcs", 200),
        ):
            socket = connection.sock
            answer = servers.exchange(connection, method, path)
            assert answer.status == status
            assert socket is None or connection.sock is socket, f"closed before {method} {path}"


def test_of_a_hundred_updates_at_once_none_is_lost(start, image: str) -> None:
    web = start(workers=2, threads=16, redis_timeout_seconds=10)
    names = [f"f{number}" for number in range(CLIENTS // 4)]
    for name in names:
        assert web.create(name, image).status == 201
    bodies = [
        {"ContainerSize": "s2"},
        {"Timeout": 77},
        {"Config": {"Env": ["A=1"]}},
        {"Refresh": True},
    ]
    before = {name: web.request("GET", f"/funcs/{name}").json for name in names}
    together = threading.Barrier(len(bodies) * 4)

    def update(pair: tuple[str, dict]) -> int:
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(0.2)
        return web.request("PUT", f"/funcs/{pair[0]}", pair[1]).status

    with ThreadPoolExecutor(CLIENTS) as clients:
        pairs = [(name, body) for name in names for body in bodies]
        assert set(clients.map(update, pairs)) == {200}
    for name in names:
        after = web.request("GET", f"/funcs/{name}").json
        assert after["UUID"] != before[name]["UUID"]
        assert after == {
            **before[name],
            "ContainerSize": "s2",
            "Timeout": 77,
            "UUID": after["UUID"],
            "Config": {**before[name]["Config"], "Env": ["A=1"]},
        }


def test_a_hundred_updates_at_once_of_one_func_all_leave_their_mark(start, image: str) -> None:
    web = start(workers=2, threads=16, redis_timeout_seconds=10)
    before = web.create("hello", image).json
    bodies = [{"ContainerSize": "s2"}, {"Timeout": 77}, {"Config": {"Env": ["A=1"]}}]
    bodies += [{"Refresh": True}] * (CLIENTS - len(bodies))
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda body: web.request("PUT", "/funcs/hello", body), bodies))
    assert {answer.status for answer in answers} == {200}
    refreshed = {answer.json["UUID"] for answer in answers[3:]}
    assert len(refreshed) == CLIENTS - 3, "two updates gave the same UUID"
    after = web.request("GET", "/funcs/hello").json
    assert after["UUID"] in refreshed - {before["UUID"]}
    assert (after["ContainerSize"], after["Timeout"]) == ("s2", 77)
    assert after["Config"]["Env"] == ["A=1"]


def test_two_thousand_funcs_are_streamed_and_paged_in_bounded_memory(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(workers=1)
    definition = web.create("hello", image).json
    label = {"Labels": {"filler": "x" * 20_000}}
    with own_redis.client() as client, client.pipeline() as pipeline:
        for number in range(2000):
            name = f"f{number:04}"
            config = {**definition["Config"], **label}
            text = json.dumps({**definition, "Name": name, "Config": config})
            pipeline.set(KEYS.func(name), text)
            pipeline.zadd(KEYS.funcs, {name: number})
        pipeline.execute()
    [pid] = web.worker_pids()
    before = _peak_kilobytes(pid)
    funcs = web.request("GET", "/funcs").json
    assert [func["Name"] for func in funcs[1:]] == [f"f{n:04}" for n in reversed(range(2000))]
    assert _peak_kilobytes(pid) - before < 60_000, "40 MB were listed"
    assert "Transfer-Encoding" in web.request("GET", "/funcs?limit=10").headers
    found = []
    while page := web.request("GET", _page_after(found)).json:
        found += [func["Name"] for func in page]
    assert len(found) == len(set(found)) == 2001


def _page_after(found: list[str]) -> str:
    return f"/funcs?limit=900{f'&before={found[-1]}' if found else ''}"


def _peak_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


NEEDS_REDIS = [
    ("GET", "/funcs", None),
    ("GET", '/funcs?filters={"name":["hello"]}', None),
    ("GET", "/funcs?before=hello", None),
    ("GET", "/funcs/hello", None),
    ("PUT", "/funcs/hello", {"Timeout": 5}),
    ("DELETE", "/funcs/hello", None),
]


def test_redis_that_is_gone_or_hangs_is_500_and_named(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(redis_timeout_seconds=TIMEOUT_SECONDS, engine_remember_seconds=60)
    created = web.create("hello", image)
    own_redis.pause()
    for method, path, body in NEEDS_REDIS:
        answer = web.request(method, path.replace('"', "%22"), body)
        message = "Redis can't be used: it did not answer in time."
        assert (answer.status, answer.json) == (500, {"message": message}), path
        assert answer.seconds < DEADLINE_SECONDS
    own_redis.resume()
    servers.wait_until(
        lambda: web.request("GET", "/funcs/hello").status == 200, "Redis is used again"
    )
    assert web.request("GET", "/funcs/hello").body == created.body, "a change was made late"
    own_redis.end()
    for method, path, body in NEEDS_REDIS:
        answer = web.request(method, path.replace('"', "%22"), body)
        message = "Redis can't be used: it can't be reached: connection refused."
        assert (answer.status, answer.json) == (500, {"message": message}), path
    own_redis.start()
    assert web.request("GET", "/funcs").json == []


def test_redis_restarted_between_two_requests_is_not_noticed(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(threads=8)
    definition = web.create("hello", image).body

    def fill() -> None:
        with own_redis.client() as client:
            for number in range(8):
                name = f"f{number}"
                client.set(KEYS.func(name), definition.replace(b'"hello"', b'"%s"' % name.encode()))
                client.zadd(KEYS.funcs, {name: number})

    def ask(method: str, body: object = None) -> list[int]:
        with ThreadPoolExecutor(8) as clients:
            paths = [f"/funcs/f{number}" for number in range(8)]
            answers = clients.map(lambda path: web.request(method, path, body), paths)
            return [answer.status for answer in answers]

    changes = [("GET", None, 200), ("PUT", {"Timeout": 5}, 200), ("DELETE", None, 204)]
    for method, body, status in changes:
        fill()
        assert ask("GET") == [200] * 8
        own_redis.kill()
        own_redis.start()
        fill()
        assert ask(method, body) == [status] * 8, method
    own_redis.kill()
    own_redis.start()
    assert ask("DELETE") == [404] * 8


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_change_whose_answer_is_lost_says_what_became_of_it(
    start, image: str, own_redis: servers.RedisServer, method: str
) -> None:
    with servers.proxy(own_redis.port) as between:
        web = start(redis_url=f"redis://127.0.0.1:{between.port}/0")
        for name in ("hello", "warm-up"):
            assert web.create(name, image).status == 201
        body = {"Timeout": 5} if method == "PUT" else None
        assert web.request(method, "/funcs/warm-up", body).status in (200, 204)
        between.breaks_after = b"EVALSHA"
        lost = web.request(method, "/funcs/hello", body)
        between.breaks_after = None
        with own_redis.client() as client:
            stored = client.get(KEYS.func("hello"))
        assert (lost.status, stored) == ((200, lost.body) if body else (204, None))


def test_engine_that_is_gone_is_500_and_named_and_the_rest_goes_on(
    start, image: str, docker_host: str
) -> None:
    assert start().create("hello", image).status == 201
    web = start(docker_host="unix:///nonexistent/engine")
    for method, path, body in (
        ("GET", f"/images/{image}/json", None),
        ("POST", f"/images/create?fromImage={image}", None),
        ("PUT", "/funcs/hello", {"ContainerSize": "s1"}),
    ):
        answer = web.request(method, path, body)
        message = "The Docker Engine can't be used: it can't be reached: its socket does not exist."
        assert (answer.status, answer.json) == (500, {"message": message}), path
    assert web.request("PUT", "/funcs/hello", {"Timeout": 5}).json["ContainerSize"] == "s4"
    assert len(web.request("GET", "/funcs").json) == 1
    assert web.request("DELETE", "/funcs/hello").status == 204


def test_engine_that_never_answers_is_500_in_time(start) -> None:
    with servers.silent_listener() as address:
        web = start(docker_host=f"tcp://{address}", engine_timeout_seconds=TIMEOUT_SECONDS)
        answer = web.request("GET", "/images/busybox/json")
        message = "The Docker Engine can't be used: it did not answer in time."
        assert (answer.status, answer.json) == (500, {"message": message})
        assert answer.seconds < DEADLINE_SECONDS


def test_image_is_inspected_and_no_path_leads_away(start, image: str) -> None:
    web = start()
    answer = web.request("GET", f"/v1.23/images/{image}/json")
    assert (answer.status, answer.json["RepoTags"]) == (200, [image])
    assert web.request("GET", f"/images/{answer.json['Id']}/json").body == answer.body
    for path in ("../containers", "%2e%2e/containers", "..%2fcontainers", "..%2F..%2Finfo%3F"):
        refused = web.request("GET", f"/images/{path}/json")
        assert (refused.status, list(refused.json)) == (404, ["message"])
