"""Functions that an older version stored, and that break a rule by now, in a running service."""

from __future__ import annotations

import json
from typing import Any

from dev import servers
from funcsvc.store.keys import RedisKeys
from tests.e2e.functions import Functions

KEYS = RedisKeys("funcsvc:")
OTHER_UUID = "e62c014e-386c-42ea-8d07-41d44e98cc3d"
SECRET = f"SECRET={'x' * 131_073}"


def store(redis: servers.RedisServer, name: str, option: str, value: Any) -> None:
    """Give a stored function an option as only an older version would have stored it."""
    with redis.client() as client:
        document = json.loads(client.get(KEYS.func(name)))
        document["Config"][option] = value
        client.set(KEYS.func(name), json.dumps(document))


def test_call_of_a_func_that_breaks_a_rule_by_now_says_so_and_what_ended_before_can_be_fetched(
    run: Functions, module_redis: servers.RedisServer
) -> None:
    run.define("old", "echo done", Config={"Env": ["A=1"]})
    before = run.call("old")
    assert run.output("old", before).body == b"done\n"
    before = run.call("old")
    servers.wait_until(lambda: run.counts("old")["Finished"] == 2, "the call has ended")
    store(module_redis, "old", "Env", [SECRET])
    wrong = run.web.request("POST", f"/call/old/{OTHER_UUID}")
    missing = run.web.request("POST", f"/call/nope/{OTHER_UUID}")
    assert (wrong.status, missing.status) == (404, 404)
    assert wrong.json == {"message": missing.json["message"].replace("nope", "old")}
    answer = run.sync("old")
    assert (answer.status, answer.json) == (
        500,
        {
            "message": "The function's container could not be started: its definition breaks a "
            "rule by now, in Config.Env.0."
        },
    )
    assert run.output("old", before).body == b"done\n"


def test_func_that_breaks_a_rule_by_now_runs_again_once_it_is_mended(
    run: Functions, module_redis: servers.RedisServer
) -> None:
    run.define("mended", "echo $A")
    store(module_redis, "mended", "Env", [SECRET])
    for body in ({"Timeout": 7}, {"Config": {"Env": ["A=1"]}}):
        assert run.web.request("PUT", "/funcs/mended", body).status == 200
    assert run.sync("mended").body == b"1\n"
