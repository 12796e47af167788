"""Creating a function, from the socket to what Redis stores."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
import redis

from dev import servers
from funcsvc.store.keys import RedisKeys

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CLIENTS = 200


@pytest.fixture
def web(redis_url: str, redis_prefix: str, docker_host: str):
    with servers.service(
        redis_url=redis_url, redis_prefix=redis_prefix, docker_host=docker_host, workers=2
    ) as server:
        yield server


@pytest.fixture
def keys(redis_prefix: str) -> RedisKeys:
    return RedisKeys(redis_prefix)


def test_helloworld_answers_the_contracts_example(
    web: servers.Service, image: str, keys: RedisKeys, redis_client: redis.Redis
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    answer = web.create("helloworld", image)
    assert answer.status == 201
    made = answer.json
    assert UUID.fullmatch(made["UUID"])
    assert TIME.fullmatch(made["Created"])
    assert before <= datetime.fromisoformat(made["Created"]) <= datetime.now(UTC)
    assert answer.body.decode() == (
        '{"Name": "helloworld", "ContainerSize": "s4", "Timeout": 300, '
        f'"UUID": "{made["UUID"]}", "Created": "{made["Created"]}", '
        '"Config": {"Env": [], "Cmd": ["echo", "HelloWorld"], '
        f'"Image": "{image}", "StopSignal": "SIGTERM"}}, '
        '"HostConfig": {"NetworkMode": "bridge"}, '
        '"NetworkingConfig": {"EndpointsConfig": null}}'
    )
    assert answer.headers["Location"] == "/funcs/helloworld"
    assert answer.headers["Content-Type"] == "application/json"
    assert redis_client.get(keys.func("helloworld")) == answer.body
    assert redis_client.zrange(keys.funcs, 0, -1) == [b"helloworld"]


@pytest.mark.parametrize("prefix", ["/v1.23", "/v0.1", "/v10.0"])
def test_create_is_served_below_every_version(
    web: servers.Service, image: str, prefix: str
) -> None:
    body = {"Name": "versioned", "Config": {"Image": image}}
    answer = web.request("POST", f"{prefix}/funcs/create", body)
    assert (answer.status, answer.headers["Location"]) == (201, "/funcs/versioned")
    again = web.request("POST", "/funcs/create", body)
    assert again.status == 409


def test_repeated_name_conflicts_and_the_first_stays(
    web: servers.Service, image: str, keys: RedisKeys, redis_client: redis.Redis
) -> None:
    first = web.create("twice", image)
    second = web.create("twice", image, Timeout=7)
    assert (first.status, second.status) == (201, 409)
    assert second.json == {
        "message": 'Name is "twice", but a function with that name already exists.'
    }
    assert second.headers["Content-Type"] == "application/json"
    assert redis_client.get(keys.func("twice")) == first.body
    assert redis_client.zcard(keys.funcs) == 1


def test_refused_definition_stores_nothing(
    web: servers.Service, image: str, redis_prefix: str, redis_client: redis.Redis
) -> None:
    answer = web.create("refused", image, Timeout=0)
    assert (answer.status, list(answer.json["errors"])) == (400, ["Timeout"])
    assert list(redis_client.scan_iter(f"{redis_prefix}*")) == []


def test_two_hundred_creates_of_one_name_make_one_func(
    web: servers.Service, image: str, keys: RedisKeys, redis_client: redis.Redis
) -> None:
    barrier = Barrier(CLIENTS, timeout=30)

    def create(number: int) -> servers.Answer:
        with web.connection() as connection:
            connection.connect()
            barrier.wait()
            config = {"Image": image, "Cmd": ["echo", str(number)], "Env": [f"N={number}"]}
            body = {"Name": "contested", "Timeout": number + 1, "Config": config}
            return servers.exchange(connection, "POST", "/funcs/create", body)

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(create, range(CLIENTS)))

    assert Counter(answer.status for answer in answers) == {201: 1, 409: CLIENTS - 1}
    [winner] = [number for number, answer in enumerate(answers) if answer.status == 201]
    stored = redis_client.get(keys.func("contested"))
    assert stored == answers[winner].body
    definition = json.loads(stored)
    assert definition["Timeout"] == winner + 1
    assert definition["Config"]["Cmd"] == ["echo", str(winner)]
    assert definition["Config"]["Env"] == [f"N={winner}"]
    assert redis_client.zrange(keys.funcs, 0, -1) == [b"contested"]


def test_concurrent_creates_of_different_names_all_succeed(
    web: servers.Service, image: str, keys: RedisKeys, redis_client: redis.Redis
) -> None:
    with ThreadPoolExecutor(32) as clients:
        answers = list(clients.map(lambda n: web.create(f"own-{n}", image), range(CLIENTS)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["UUID"] for answer in answers}) == CLIENTS
    assert redis_client.zcard(keys.funcs) == CLIENTS
    assert [redis_client.get(keys.func(f"own-{n}")) for n in range(CLIENTS)] == [
        answer.body for answer in answers
    ]
