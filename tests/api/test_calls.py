"""Calling a func: what is accepted and stored, and what is refused and stores nothing."""

from __future__ import annotations

import logging
import re

import pytest

from funcsvc.model import MAX_PAYLOAD_BYTES
from funcsvc.model.errors import StoreUnavailable
from tests.api.calling import HELLO, NO_CALL, OTHER_UUID, make_func
from tests.api.conftest import make_client
from tests.fakes import FakeCallStore

METHODS = ("GET", "POST", "PUT", "DELETE")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NO_FUNC = {"message": 'There is no function named "hello".'}


@pytest.fixture
def func(client, calls):
    return make_func(client, calls)


@pytest.mark.parametrize("method", METHODS)
def test_call_is_stored_and_answered_with_its_id(client, func, calls, method):
    answer = client.open(func.path("call"), method=method, data=b"in\0put")
    assert (answer.status_code, answer.content_type) == (200, "application/json; charset=utf-8")
    (call,) = calls.accepted
    assert answer.get_data(as_text=True) == f'{{"CallId": "{call.id}"}}'
    assert UUID4.fullmatch(call.id)
    assert (call.func_name, call.func_uuid, call.payload) == ("hello", func.uuid, b"in\0put")
    assert call.max_running == 0
    assert f"REQUEST_METHOD={method}".encode() in call.environment


def test_each_call_has_an_id_of_its_own(func):
    assert len({func.call() for _ in range(20)}) == 20


def test_call_has_the_environment_of_its_request(client, func, calls):
    answer = client.post(
        f"{func.path('call')}?a=1&b=%20",
        data=b"12345",
        content_type="text/x-mine",
        headers={"X-Mine": "ä", "Proxy": "evil", "Authorization": "Basic secret"},
    )
    environment = calls.accepted[0].environment
    assert set(environment) >= {
        b"REQUEST_METHOD=POST", b"QUERY_STRING=a=1&b=%20", b"CONTENT_TYPE=text/x-mine",
        b"CONTENT_LENGTH=5", b"HTTP_X_MINE=\xe4", b"HTTP_HOST=localhost", b"FUNC_NAME=hello",
        f"CALL_ID={answer.get_json()['CallId']}".encode(),
    }  # fmt: skip
    assert not [entry for entry in environment if b"evil" in entry or b"secret" in entry]
    assert not [entry for entry in environment if func.uuid.encode() in entry]


@pytest.mark.parametrize("size", [0, 1, MAX_PAYLOAD_BYTES])
def test_payload_of_any_size_up_to_a_mebibyte_is_taken(func, calls, size):
    func.call(data=b"x" * size)
    assert calls.accepted[0].payload == b"x" * size


@pytest.mark.parametrize("path", ["call", "call/sync"])
def test_larger_payload_is_refused(client, func, calls, path):
    kind, _, more = path.partition("/")
    answer = client.post(
        func.path(kind, *filter(None, [more])), data=b"x" * (MAX_PAYLOAD_BYTES + 1)
    )
    assert (answer.status_code, answer.get_json()) == (
        413,
        {"message": "The request body is too large: at most 1048576 bytes are accepted."},
    )
    assert calls.accepted == []


@pytest.mark.parametrize("more", [[], ["sync"]])
def test_environment_that_is_too_large_is_refused(client, func, calls, more):
    answer = client.post(func.path("call", *more), headers={"X-Large": "x" * 65536})
    assert answer.status_code == 413
    assert answer.get_json() == {
        "message": "The request's query and header fields are too large for the function's "
        "environment: at most 65536 bytes are allowed."
    }
    assert calls.accepted == []


PATHS = [
    *[(method, "/call/{}/{}") for method in METHODS],
    *[(method, "/call/{}/{}/sync") for method in METHODS],
    ("GET", f"/output/{{}}/{{}}/{NO_CALL}"),
    ("GET", f"/output/{{}}/{{}}/{NO_CALL}/wait"),
    ("GET", "/status/{}/{}"),
    ("GET", "/status/{}/{}?list=1"),
    ("GET", "/logs/{}/{}"),
    ("GET", "/logs/{}/{}?follow=1"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("wrong", [OTHER_UUID, "x", "%C3%A4", "%FF", "%00", "upper", "longer"])
def test_wrong_uuid_is_the_same_404_as_a_missing_func(
    client, store, func, calls, caplog, method, path, wrong
):
    given = {"upper": func.uuid.upper(), "longer": f"{func.uuid}0"}.get(wrong, wrong)
    with caplog.at_level(logging.DEBUG):
        refused = client.open(path.format("hello", given), method=method, data=b"x" * 100)
        del store.definitions["hello"]
        missing = client.open(path.format("hello", func.uuid), method=method, data=b"x" * 100)
    for answer in (refused, missing):
        assert (answer.status_code, answer.content_type) == (404, "application/json")
        assert answer.get_json() == NO_FUNC
        assert [*answer.headers.keys()] == [*missing.headers.keys()]
    assert calls.accepted == []
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("host_port", "setting", "limit"),
    [("", "0", 0), ("8000", "0", 1), ("8000-8010", "0", 11), ("8000-8010", "3", 3), ("", "3", 3)],
)
def test_call_says_how_many_of_its_func_may_run(store, engine, host_port, setting, limit):
    calls = FakeCallStore(store)
    client = make_client(store, engine, calls, FUNCSVC_MAX_RUNNING=setting)
    ports = {"80/tcp": [{"HostIp": "", "HostPort": host_port}]}
    make_func(client, calls, HostConfig={"PortBindings": ports}).call()
    assert calls.accepted[0].max_running == limit


@pytest.mark.parametrize("more", [[], ["sync"]])
def test_func_with_too_many_pending_calls_is_busy(store, engine, more):
    calls = FakeCallStore(store, max_pending=1)
    func = make_func(make_client(store, engine, calls), calls)
    func.call()
    answer = func.client.post(func.path("call", *more))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.get_json() == {
        "message": "This function already has 1 pending calls, the maximum: "
        "try again in a few seconds."
    }
    assert len(calls.accepted) == 1


@pytest.mark.parametrize("more", [[], ["sync"]])
def test_redis_that_can_not_be_used_is_said(client, func, calls, more):
    calls.fail_with(StoreUnavailable("it can't be reached"))
    answer = client.post(func.path("call", *more))
    assert (answer.status_code, answer.get_json()) == (
        500,
        {"message": "Redis can't be used: it can't be reached."},
    )
    assert calls.accepted == []


@pytest.mark.parametrize("more", [[], ["sync"]])
def test_head_calls_nothing(client, func, calls, more):
    answer = client.head(func.path("call", *more))
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == set(METHODS)
    assert calls.accepted == []


@pytest.mark.parametrize("kind", ["call", "status", "logs"])
def test_public_paths_have_no_version_prefix(client, func, kind):
    answer = client.get(f"/v1.23{func.path(kind)}")
    assert (answer.status_code, answer.get_json()) == (
        404,
        {"message": "There is nothing at this path."},
    )


def test_public_paths_need_no_access_key(store, engine):
    calls = FakeCallStore(store)
    func = make_func(make_client(store, engine, calls), calls)
    keyed = make_client(store, engine, calls, FUNCSVC_ACCESS_KEYS="key:secret")
    assert keyed.post(func.path("call")).status_code == 200
    for path in (func.path("status"), func.path("logs"), func.path("output", func.ended())):
        assert keyed.get(path).status_code == 200
    assert keyed.get("/funcs/hello").status_code == 401


def test_open_service_is_called_by_loopback_names_only(client, func, calls):
    answer = client.post(func.path("call"), headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert calls.accepted == []


def test_old_address_is_dead_after_a_refresh(client, func, calls):
    call_id = func.ended()
    changed = client.put("/funcs/hello", json={"Refresh": True})
    assert changed.get_json()["UUID"] != func.uuid
    for path in (func.path("call"), func.path("status"), func.path("output", call_id)):
        assert (client.get(path).status_code, client.get(path).get_json()) == (404, NO_FUNC)
    assert len(calls.accepted) == 1


@pytest.mark.parametrize("prefix", ["", "/v1.23"])
def test_func_of_a_call_is_told(client, func, store, prefix):
    answer = client.get(f"{prefix}/funcs/call/{func.call()}")
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, store.definitions["hello"])


@pytest.mark.parametrize("call_id", [NO_CALL, "x", "*", OTHER_UUID.upper(), "a" * 1000, "%C3%A4"])
def test_func_of_no_call_is_not_found(client, func, call_id):
    answer = client.get(f"/funcs/call/{call_id}")
    assert answer.status_code == 404
    assert answer.get_json()["message"].startswith("There is no call ")


def test_func_with_calls_is_not_removed_until_they_have_ended(client, func, calls, store):
    call_id = func.call()
    for _ in ("pending", "running"):
        answer = client.delete("/funcs/hello")
        assert (answer.status_code, answer.get_json()) == (
            409,
            {
                "message": 'The function "hello" can\'t be removed while it has pending or '
                "running calls."
            },
        )
        assert "hello" in store.definitions
        if calls.get_call("hello", call_id).status == "Pending":
            calls.run(call_id)
    calls.end(call_id, HELLO)
    assert client.delete("/funcs/hello").status_code == 204
    assert client.get(f"/funcs/call/{call_id}").status_code == 404
