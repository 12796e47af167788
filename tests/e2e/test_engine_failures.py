"""The Docker Engine gone or hung: 500 in time, nothing stored, and no restart needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev import images, servers

IMAGE = "tool:v1"
TIMEOUT_SECONDS = 0.5
DEADLINE_SECONDS = 20
"""The limit for a request while the engine hangs, which without a deadline never ends."""

SETTINGS = {"engine_timeout_seconds": TIMEOUT_SECONDS, "redis_timeout_seconds": TIMEOUT_SECONDS}


@pytest.fixture(scope="module")
def module_image(module_engine: servers.EngineServer) -> str:
    images.import_image(module_engine.host, IMAGE)
    return IMAGE


@pytest.fixture
def engine(
    module_engine: servers.EngineServer, module_image: str
) -> Iterator[servers.EngineServer]:
    """The module's engine with the image. It is running again after the test."""
    yield module_engine
    if module_engine.is_running:
        module_engine.resume()
    else:
        module_engine.start()


@pytest.fixture
def web(engine: servers.EngineServer, own_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """The service over the engine, with nothing cached that the engine says."""
    with servers.service(
        redis_url=own_redis.url, docker_host=engine.host, engine_remember_seconds=0, **SETTINGS
    ) as server:
        yield server


def assert_engine_failure(
    answer: servers.Answer, reason: str, own_redis: servers.RedisServer
) -> None:
    """Check that an answer is the engine's failure, and that nothing was stored."""
    assert answer.status == 500
    assert answer.json == {"message": f"The Docker Engine can't be used: {reason}."}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.seconds < DEADLINE_SECONDS
    with own_redis.client() as client:
        assert list(client.scan_iter("*")) == []


@pytest.mark.parametrize("warm", [False, True], ids=["unused", "used before"])
def test_killed_engine_is_500_and_recovers_without_a_restart(
    web: servers.Service,
    engine: servers.EngineServer,
    own_redis: servers.RedisServer,
    warm: bool,
) -> None:
    if warm:
        assert web.request("GET", "/readyz").status == 200
    engine.kill()
    reason = "it can't be reached: nothing listens at its address"
    assert_engine_failure(web.create("killed", IMAGE), reason, own_redis)
    engine.start()
    assert web.create("killed", IMAGE).status == 201


@pytest.mark.parametrize("warm", [False, True], ids=["unused", "used before"])
def test_hung_engine_is_500_in_time_and_recovers_when_it_goes_on(
    web: servers.Service,
    engine: servers.EngineServer,
    own_redis: servers.RedisServer,
    warm: bool,
) -> None:
    if warm:
        assert web.request("GET", "/readyz").status == 200
    engine.pause()
    assert_engine_failure(web.create("hung", IMAGE), "it did not answer in time", own_redis)
    engine.resume()
    assert web.create("hung", IMAGE).status == 201


@pytest.mark.parametrize("family", ["unix", "tcp"])
def test_engine_that_accepts_and_never_answers_is_500_in_time(
    own_redis: servers.RedisServer, family: str
) -> None:
    with (
        servers.folder() as place,
        servers.silent_listener(place if family == "unix" else None) as address,
        servers.service(
            redis_url=own_redis.url, docker_host=f"{family}://{address}", **SETTINGS
        ) as web,
    ):
        for _ in range(2):
            answer = web.create("silent", IMAGE)
            assert_engine_failure(answer, "it did not answer in time", own_redis)
        assert web.is_healthy()


def test_engine_that_was_not_there_at_the_start_is_used_once_it_is(
    engine: servers.EngineServer, own_redis: servers.RedisServer
) -> None:
    with servers.folder() as place:
        socket = place / "engine"
        with servers.service(
            redis_url=own_redis.url, docker_host=f"unix://{socket}", **SETTINGS
        ) as web:
            reason = "it can't be reached: its socket does not exist"
            assert_engine_failure(web.create("early", IMAGE), reason, own_redis)
            socket.symlink_to(engine.host.removeprefix("unix://"))
            # a busy engine might need longer for an answer than this service waits
            servers.wait_until(lambda: web.create("early", IMAGE).status == 201, "it is used")


def test_known_image_is_served_while_the_engine_hangs_for_a_moment(
    engine: servers.EngineServer, own_redis: servers.RedisServer
) -> None:
    with servers.service(
        redis_url=own_redis.url, docker_host=engine.host, engine_remember_seconds=60, **SETTINGS
    ) as web:
        assert web.create("known", IMAGE).status == 201
        engine.pause()
        assert web.create("while-hung", IMAGE).status == 201
        unknown = web.create("unknown", "tool:v2")
        assert (unknown.status, unknown.json) == (
            500,
            {"message": "The Docker Engine can't be used: it did not answer in time."},
        )
        engine.resume()
        assert web.create("after", IMAGE).status == 201


def test_what_the_engine_said_is_believed_only_for_the_time_set(
    engine: servers.EngineServer, own_redis: servers.RedisServer
) -> None:
    with servers.service(
        redis_url=own_redis.url,
        docker_host=engine.host,
        engine_remember_seconds=1,
        pull_policy="never",
        **SETTINGS,
    ) as web:
        assert web.create("before", "gone:v1").status == 400
        with images.imported(engine.host, "gone:v1"):
            assert web.create("there", "gone:v1").status == 201, "an absence was remembered"
        servers.wait_until(
            lambda: web.create(f"n{time.monotonic_ns()}", "gone:v1").status == 400,
            "the image's absence is seen",
        )


def test_many_creates_while_the_engine_hangs_all_end_and_health_answers(
    engine: servers.EngineServer, own_redis: servers.RedisServer
) -> None:
    with servers.service(
        redis_url=own_redis.url,
        docker_host=engine.host,
        engine_remember_seconds=0,
        threads=16,
        **SETTINGS,
    ) as web:
        engine.pause()
        start = time.monotonic()
        with ThreadPoolExecutor(50) as clients:
            creates = [clients.submit(web.create, f"many-{n}", IMAGE) for n in range(50)]
            health = [web.request("GET", "/healthz") for _ in range(10)]
            answers = [create.result() for create in creates]
        assert time.monotonic() - start < 25  # one after the other they take longer
        assert {answer.status for answer in answers} == {500}
        assert {answer.body for answer in answers} == {
            b'{"message": "The Docker Engine can\'t be used: it did not answer in time."}'
        }
        assert [answer.status for answer in health] == [200] * 10
        assert max(answer.seconds for answer in health) < DEADLINE_SECONDS
        with own_redis.client() as client:
            assert list(client.scan_iter("*")) == []
        engine.resume()
        assert web.create("after", IMAGE).status == 201


def test_readiness_names_the_engine_and_both_when_both_are_gone(
    web: servers.Service, engine: servers.EngineServer, own_redis: servers.RedisServer
) -> None:
    no_engine = "The Docker Engine can't be used: it did not answer in time."
    no_redis = "Redis can't be used: it can't be reached: connection refused."
    assert web.readiness().status == 200
    engine.pause()
    assert web.readiness(no_engine).status == 503
    own_redis.end()
    answer = web.readiness(f"{no_redis} {no_engine}")
    assert answer.status == 503
    assert answer.seconds < DEADLINE_SECONDS
    assert web.request("GET", "/healthz").status == 200
    engine.resume()
    own_redis.start()
    assert web.readiness().status == 200


def test_size_that_the_engine_cannot_hold_is_refused_unless_the_operator_caps_cpus(
    web: servers.Service, engine: servers.EngineServer, own_redis: servers.RedisServer
) -> None:
    answer = web.create("large", IMAGE, ContainerSize="m2")
    sentence = (
        'ContainerSize is "m2", but must fit the engine: it needs 2 CPUs, and the engine has 1.'
    )
    assert (answer.status, answer.json) == (
        400,
        {"message": sentence, "errors": {"ContainerSize": [sentence]}},
    )
    with servers.service(
        redis_url=own_redis.url, docker_host=engine.host, cap_cpus="true"
    ) as capping:
        assert capping.create("large", IMAGE, ContainerSize="m2").status == 201
