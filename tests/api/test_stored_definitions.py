"""Functions whose stored definition breaks a rule by now: an older version accepted it."""

from __future__ import annotations

import json

import pytest

from tests.api.calling import HELLO, OTHER_UUID, make_func

SECRET = f"SECRET={'x' * 131_073}"
BROKEN = {
    "Env": ("Config", "Env", [SECRET]),
    "WorkingDir": ("Config", "WorkingDir", "/.funcsvc/x"),
    "zone": ("HostConfig", "PortBindings", {"80/tcp": [{"HostIp": "::1%lo", "HostPort": "80"}]}),
    "address": ("HostConfig", "PortBindings", {"80/tcp": [{"HostIp": "1.02", "HostPort": "80"}]}),
    "ports": ("HostConfig", "PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": "80"}] * 2}),
}
NO_FUNC = {"message": 'There is no function named "hello".'}


@pytest.fixture(params=BROKEN)
def old(request, client, calls, store):
    """A func that an older version stored."""
    func = make_func(client, calls)
    section, option, value = BROKEN[request.param]
    document = json.loads(store.definitions["hello"])
    document[section][option] = value
    store.definitions["hello"] = json.dumps(document, ensure_ascii=False)
    return func


@pytest.mark.parametrize("kind", ["call", "status", "logs"])
def test_wrong_uuid_of_a_func_that_breaks_a_rule_by_now_gets_nothing_of_it(client, old, kind):
    answer = client.get(f"/{kind}/hello/{OTHER_UUID}")
    assert (answer.status_code, answer.get_json()) == (404, NO_FUNC)


def test_func_that_breaks_a_rule_by_now_still_gives_what_its_calls_left(client, calls, old):
    call_id = old.ended()
    assert client.get(old.path("status")).get_json()["Finished"] == 1
    assert b"FINISHED" in client.get(old.path("logs")).data
    answer = client.get(old.path("output", call_id))
    assert (answer.status_code, answer.data) == (200, HELLO.output)


def test_func_that_breaks_a_rule_by_now_can_be_updated_and_mended(client, store, old):
    for body in ({"Timeout": 7}, {"Config": {"Env": ["A=1"]}}, {"Refresh": True}):
        assert client.put("/funcs/hello", json=body).status_code == 200
    after = json.loads(store.definitions["hello"])
    assert (after["Timeout"], after["Config"]["Env"]) == (7, ["A=1"])
    assert after["UUID"] != old.uuid


def test_func_that_breaks_a_rule_by_now_can_be_updated_by_all_that_get_answers(client, old):
    said = client.get("/funcs/hello").get_json()
    answer = client.put("/funcs/hello", json={**said, "Timeout": 7})
    assert (answer.status_code, answer.get_json()) == (200, {**said, "Timeout": 7})
