"""Redis gone, hung, full, read-only or locked: 500 in time, nothing stored, no restart needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from dev import servers
from funcsvc.store.keys import RedisKeys

KEYS = RedisKeys("funcsvc:")
TIMEOUT_SECONDS = 0.5
DEADLINE_SECONDS = 20
"""The limit for a request while Redis fails, which without a deadline never ends."""


@pytest.fixture
def start(docker_host: str, image: str) -> Iterator[object]:
    """Start the service over a Redis URL, with the engine's answer on the image cached."""
    with contextlib.ExitStack() as stack:

        def start_service(url: str, **settings: object) -> servers.Service:
            server = servers.service(
                redis_url=url,
                docker_host=docker_host,
                redis_timeout_seconds=TIMEOUT_SECONDS,
                engine_remember_seconds=60,
                **settings,
            )
            return stack.enter_context(server)

        yield start_service


def assert_redis_failure(answer: servers.Answer, reason: str) -> None:
    """Check that an answer is Redis's failure."""
    assert answer.status == 500
    assert answer.json == {"message": f"Redis can't be used: {reason}."}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.seconds < DEADLINE_SECONDS


def assert_empty(server: servers.RedisServer) -> None:
    """Check that a Redis has no keys of the service."""
    with server.client() as client:
        assert list(client.scan_iter("funcsvc:*")) == []


def assert_created_and_stored(
    server: servers.RedisServer, web: servers.Service, name: str, image: str
) -> None:
    """Create a func, and check that the stored definition is the one answered."""
    answer = web.create(name, image)
    assert answer.status == 201, answer.body
    with server.client() as client:
        assert client.get(KEYS.func(name)) == answer.body
        assert client.zscore(KEYS.funcs, name) is not None


@pytest.mark.parametrize("warm", [False, True], ids=["unused", "with pooled connections"])
def test_stopped_redis_is_500_and_recovers_without_a_restart(
    start, image: str, own_redis: servers.RedisServer, warm: bool
) -> None:
    web = start(own_redis.url)
    if warm:
        assert web.create("before", image).status == 201
    own_redis.end()
    assert_redis_failure(web.create("gone", image), "it can't be reached: connection refused")
    assert_redis_failure(web.create("gone", image), "it can't be reached: connection refused")
    own_redis.start()
    assert_empty(own_redis)
    assert_created_and_stored(own_redis, web, "gone", image)


def test_redis_restarted_between_two_requests_is_not_noticed(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(own_redis.url, threads=8)
    with ThreadPoolExecutor(8) as clients:
        first = list(clients.map(lambda n: web.create(f"first-{n}", image), range(8)))
    assert {answer.status for answer in first} == {201}
    own_redis.kill()
    own_redis.start()
    with ThreadPoolExecutor(8) as clients:
        second = list(clients.map(lambda n: web.create(f"second-{n}", image), range(8)))
    assert {answer.status for answer in second} == {201}, [answer.body for answer in second]


def test_redis_that_was_down_at_the_start_is_used_once_it_is_there(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    own_redis.end()
    web = start(own_redis.url)
    assert_redis_failure(web.create("early", image), "it can't be reached: connection refused")
    own_redis.start()
    assert_created_and_stored(own_redis, web, "early", image)


@pytest.mark.parametrize("warm", [0, 1, 8], ids=["unused", "one pooled", "all pooled"])
def test_hung_redis_is_500_and_stores_nothing_when_it_goes_on(
    start, image: str, own_redis: servers.RedisServer, warm: int
) -> None:
    web = start(own_redis.url, threads=8)
    with ThreadPoolExecutor(8) as clients:
        made = list(clients.map(lambda n: web.create(f"before-{n}", image), range(warm)))
    assert {answer.status for answer in made} <= {201}

    own_redis.pause()
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda n: web.create(f"hung-{n}", image), range(4)))
    for answer in answers:
        assert_redis_failure(answer, "it did not answer in time")
    own_redis.resume()

    with own_redis.client() as client:
        client.ping()
        client.ping()  # everything before the first ping has been carried out by now
        assert list(client.scan_iter("funcsvc:func:hung-*")) == []
        assert client.zcard(KEYS.funcs) == warm
    for number in range(4):
        assert_created_and_stored(own_redis, web, f"hung-{number}", image)


def test_many_requests_while_redis_hangs_all_end_in_time(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(own_redis.url, threads=16)
    assert web.create("before", image).status == 201
    own_redis.pause()
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda n: web.create(f"many-{n}", image), range(16)))
    for answer in answers:
        assert_redis_failure(answer, "it did not answer in time")
    own_redis.resume()
    assert_created_and_stored(own_redis, web, "after", image)


def test_redis_that_accepts_and_never_answers_is_500_in_time(start, image: str) -> None:
    with servers.silent_listener() as address:
        web = start(f"redis://{address}/0")
        for _ in range(2):
            assert_redis_failure(web.create("silent", image), "it did not answer in time")
        assert web.is_healthy()


def test_create_whose_answer_is_lost_says_what_became_of_it(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    with servers.proxy(own_redis.port) as between:
        web = start(f"redis://127.0.0.1:{between.port}/0")
        assert web.create("before", image).status == 201
        between.breaks_after = b"EVALSHA"
        lost = web.create("lost", image)
        between.breaks_after = None
        with own_redis.client() as client:
            assert (lost.status, client.get(KEYS.func("lost"))) == (201, lost.body)
        assert web.create("lost", image).status == 409
        assert web.create("after", image).status == 201


def test_create_whose_answer_never_comes_is_not_stored_and_refused(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    with servers.proxy(own_redis.port) as between:
        web = start(f"redis://127.0.0.1:{between.port}/0")
        assert web.create("before", image).status == 201
        between.breaks_after, between.is_mute = b"EVALSHA", True
        mute = web.create("mute", image)
        assert mute.seconds < DEADLINE_SECONDS
        with own_redis.client() as client:
            stored = client.get(KEYS.func("mute"))
        assert (mute.status, stored) in [(201, mute.body), (500, None)]


def test_read_only_replica_is_500_until_it_is_promoted(start, image: str) -> None:
    with (
        servers.redis_server(repl_diskless_sync_delay="0") as master,
        servers.redis_server(replicaof=f"127.0.0.1 {master.port}") as replica,
        replica.client() as client,
    ):
        servers.wait_until(
            lambda: client.info("replication")["master_link_status"] == "up", "the replica follows"
        )
        web = start(replica.url)
        assert_redis_failure(web.create("replica", image), "it is a read-only replica")
        assert_empty(master)
        assert_empty(replica)
        client.replicaof("NO", "ONE")
        assert_created_and_stored(replica, web, "replica", image)


def test_full_redis_is_500_until_there_is_room(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(own_redis.url)
    with own_redis.client() as client:
        assert web.create("before", image).status == 201
        client.set("filler", "x" * 1024 * 1024)
        client.config_set("maxmemory", 1024 * 1024)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("one", "more")
        assert_redis_failure(web.create("full", image), "its memory is full")
        assert client.get(KEYS.func("full")) is None
        assert client.zrange(KEYS.funcs, 0, -1) == [b"before"]
        client.delete("filler")
        client.config_set("maxmemory", 16 * 1024 * 1024)
        assert_created_and_stored(own_redis, web, "full", image)


def test_missing_and_wrong_passwords_are_500_and_stay_secret(start, image: str) -> None:
    with servers.redis_server(requirepass="right-word") as locked:
        none = start(locked.url)
        reason = "it wants a password, and none was given"
        assert_redis_failure(none.create("locked", image), reason)

        wrong = start(locked.url.replace("redis://", "redis://:wrong-word@"))
        answer = wrong.create("locked", image)
        assert_redis_failure(answer, "it did not accept the user and password")
        readiness = wrong.request("GET", "/readyz")
        assert_empty(locked)

        right = start(locked.url.replace("redis://", "redis://:right-word@"))
        assert_created_and_stored(locked, right, "locked", image)
        locked.end()
        gone = right.create("gone", image)
        assert gone.status == 500

        said = [answer.body, readiness.body, gone.body]
        logs = [none.log(), wrong.log(), right.log()]
        for word in ("wrong-word", "right-word"):
            assert not any(word in log for log in logs)
            assert not any(word.encode() in body for body in said)


def test_readiness_names_redis_and_health_stays(start, own_redis: servers.RedisServer) -> None:
    web = start(own_redis.url)
    ready = web.request("GET", "/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ready"})
    for fail, mend, reason in (
        (own_redis.pause, own_redis.resume, "it did not answer in time"),
        (own_redis.end, own_redis.start, "it can't be reached: connection refused"),
    ):
        fail()
        answer = web.readiness(f"Redis can't be used: {reason}.")
        assert answer.status == 503
        assert answer.seconds < DEADLINE_SECONDS
        health = web.request("GET", "/healthz")
        assert (health.status, health.json) == (200, {"status": "alive"})
        mend()
        assert web.readiness().status == 200


def test_redis_that_evicts_is_not_ready_and_warned_of_at_the_start(start, image: str) -> None:
    with servers.redis_server(maxmemory_policy="allkeys-lru") as evicting:
        web = start(evicting.url)
        sentence = (
            "Redis can't be used: its maxmemory-policy is allkeys-lru, which loses data, "
            "and must be noeviction."
        )
        answer = web.request("GET", "/readyz")
        assert (answer.status, answer.json) == (503, {"message": sentence})
        warnings = [line for line in web.log().splitlines() if "[WARNING]" in line]
        assert [line.endswith(sentence) for line in warnings] == [True]
        with evicting.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
        assert web.readiness().status == 200


def test_failure_of_redis_is_logged_with_the_request_id_and_no_trace(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start(own_redis.url)
    own_redis.end()
    answer = web.create("logged", image)
    request_id = answer.headers["X-Request-Id"]
    line = servers.wait_until(
        lambda: next((it for it in web.log().splitlines() if f"request {request_id}" in it), None),
        "the failure is logged",
    )
    assert "Redis can't be used: it can't be reached: connection refused." in line
    assert "Traceback" not in web.log()
