"""The output of a call: each status, and which answers remove the call."""

from __future__ import annotations

import threading
import time

import pytest

from dev import servers
from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc import process as stopping
from funcsvc.model import Outcome
from funcsvc.model.errors import StoreUnavailable
from funcsvc.web.calls import waits
from tests.api.calling import (
    FAILED,
    HELLO,
    NO_CALL,
    OTHER_UUID,
    TIMED_OUT,
    TOO_LARGE,
    CalledFunc,
    make_func,
)
from tests.api.conftest import make_client
from tests.fakes import FakeCallStore

ENDS = [
    (HELLO, "200 OK", b"HelloWorld\n", "text/plain; charset=utf-8"),
    (Outcome(), "200 OK", b"", "text/plain; charset=utf-8"),
    (Outcome(output=b"\x00\xff"), "200 OK", b"\x00\xff", "application/octet-stream"),
    (
        FAILED,
        "500 INTERNAL SERVER ERROR",
        b'{"message": "The function ended with exit code 7."}',
        "application/json",
    ),
    (
        TIMED_OUT,
        "504 GATEWAY TIMEOUT",
        b'{"message": "The function ran past its Timeout."}',
        "application/json",
    ),
    (
        TOO_LARGE,
        "509 OUTPUT TOO LARGE",
        b'{"message": "The function\'s output is too large."}',
        "application/json",
    ),
]


@pytest.fixture
def func(client, calls) -> CalledFunc:
    return make_func(client, calls)


@pytest.fixture(params=[[], ["wait"]], ids=["output", "wait"])
def more(request) -> list[str]:
    """The path segments after the call's id."""
    return request.param


def no_call(call_id: str) -> dict[str, str]:
    return {"message": f'There is no call "{call_id}".'}


@pytest.mark.parametrize(("outcome", "status", "body", "kind"), ENDS)
def test_ended_call_is_answered_once(client, func, more, outcome, status, body, kind):
    call_id = func.ended(outcome)
    answer = client.get(func.path("output", call_id, *more))
    assert (answer.status, answer.data, answer.content_type) == (status, body, kind)
    assert answer.headers["Content-Length"] == str(len(body))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Request-Id" in answer.headers
    again = client.get(func.path("output", call_id, *more))
    assert (again.status_code, again.get_json()) == (404, no_call(call_id))


@pytest.mark.parametrize(("outcome", "status", "body", "kind"), ENDS)
def test_sync_call_is_answered_as_its_output_is(func, calls, outcome, status, body, kind):
    calls.wait_for_end = lambda call_id, seconds: calls.end(call_id, outcome)
    answer = func.client.post(func.path("call", "sync"))
    assert (answer.status, answer.data, answer.content_type) == (status, body, kind)
    assert func.client.get(func.path("output", calls.accepted[0].id)).status_code == 404


@pytest.mark.parametrize(("outcome", "status", "body", "kind"), ENDS)
def test_head_removes_nothing(client, func, more, outcome, status, body, kind):
    call_id = func.ended(outcome)
    for _ in range(2):
        answer = client.head(func.path("output", call_id, *more))
        assert (answer.status, answer.data, answer.content_type) == (status, b"", kind)
        assert answer.headers["Content-Length"] == str(len(body))
    assert client.get(func.path("output", call_id)).data == body


def test_pending_call_is_202_and_running_one_201_and_both_stay(client, func, calls):
    call_id = func.call()
    for status, word in ((202, "PENDING"), (201, "RUNNING")):
        for _ in range(2):
            answer = client.get(func.path("output", call_id))
            assert (answer.status_code, answer.get_data(as_text=True)) == (
                status,
                f'{{"CallId": "{call_id}", "Status": "{word}"}}',
            )
        if word == "PENDING":
            calls.run(call_id)
    calls.end(call_id, HELLO)
    assert client.get(func.path("output", call_id)).data == b"HelloWorld\n"


@pytest.mark.parametrize("call_id", [NO_CALL, "x", "*", "..", f"{NO_CALL}0", NO_CALL.upper(), "ä"])
def test_no_such_call_is_not_found(client, func, more, call_id):
    if call_id == NO_CALL.upper():
        call_id = OTHER_UUID.upper()
    answer = client.get(func.path("output", call_id, *more))
    assert (answer.status_code, answer.get_json()) == (404, no_call(call_id))


def test_call_of_another_func_is_not_found(client, func, calls, more):
    call_id = make_func(client, calls, "other").ended()
    answer = client.get(func.path("output", call_id, *more))
    assert (answer.status_code, answer.get_json()) == (404, no_call(call_id))
    assert calls.get_call("other", call_id).output == b"HelloWorld\n"


def test_rotated_output_is_gone(store, engine, more):
    calls = FakeCallStore(store, max_outputs_bytes=1500)
    func = make_func(make_client(store, engine, calls), calls)
    oldest, _ = func.ended(), func.ended()
    answer = func.client.get(func.path("output", oldest, *more))
    assert (answer.status_code, answer.get_json()) == (
        410,
        {"message": f'The output of the call "{oldest}" was rotated away by newer ones.'},
    )


def test_answer_is_whole_where_it_can_not_be_removed(client, func, calls, caplog):
    call_id = func.ended()

    def fail(call_id: str) -> None:
        raise StoreUnavailable("it can't be reached")

    calls.delete_call = fail
    for _ in range(2):
        assert client.get(func.path("output", call_id)).data == b"HelloWorld\n"
    assert "not removed: Redis can't be used: it can't be reached." in caplog.text
    assert func.uuid not in caplog.text


def test_answer_that_was_not_read_to_its_end_removes_nothing(client, func):
    call_id = func.ended()
    broken = client.get(func.path("output", call_id))
    broken.close()
    assert client.get(func.path("output", call_id)).data == b"HelloWorld\n"


def test_wait_ends_with_the_call(func, calls):
    call_id = func.call()
    timer = threading.Timer(0.2, calls.end, (call_id, HELLO))
    timer.start()
    answer = func.client.get(func.path("output", call_id, "wait"))
    assert (answer.status_code, answer.data) == (200, b"HelloWorld\n")
    timer.join()


@pytest.mark.parametrize(
    ("runs", "status", "word"), [(False, 202, "PENDING"), (True, 201, "RUNNING")]
)
def test_wait_that_is_too_long_is_told_where_the_call_is(store, engine, runs, status, word):
    calls = FakeCallStore(store)
    func = make_func(make_client(store, engine, calls, FUNCSVC_MAX_WAIT_SECONDS="1"), calls)
    call_id = func.call()
    if runs:
        calls.run(call_id)
    start = time.monotonic()
    answer = func.client.get(func.path("output", call_id, "wait"))
    assert 0.9 < time.monotonic() - start < PATIENCE_SECONDS
    assert (answer.status_code, answer.get_json()) == (status, {"CallId": call_id, "Status": word})


def test_sync_that_is_too_long_is_told_its_call(store, engine):
    calls = FakeCallStore(store)
    func = make_func(make_client(store, engine, calls, FUNCSVC_MAX_WAIT_SECONDS="1"), calls)
    answer = func.client.post(func.path("call", "sync"))
    (call,) = calls.accepted
    assert (answer.status_code, answer.get_json()) == (
        202,
        {"CallId": call.id, "Status": "PENDING"},
    )


def test_who_waits_is_answered_when_the_process_stops(func, calls, monkeypatch):
    stopped = threading.Event()
    monkeypatch.setattr(waits, "STOPPING", stopped)
    assert stopping.STOPPING is not stopped
    stopped.set()
    answer = func.client.post(func.path("call", "sync"))  # or else it waits for a day
    assert (answer.status_code, answer.get_json()["Status"]) == (202, "PENDING")
    assert len(calls.accepted) == 1


def test_wait_outlasts_a_redis_that_is_gone_for_a_while(func, calls, monkeypatch):
    monkeypatch.setattr(waits, "PAUSE_SECONDS", 0.01)
    failures = iter(range(3))

    def fail_then_end(call_id: str, seconds: float) -> None:
        if next(failures, None) is not None:
            raise StoreUnavailable("it can't be reached")
        calls.end(call_id, HELLO)

    calls.wait_for_end = fail_then_end
    answer = func.client.post(func.path("call", "sync"))
    assert (answer.status_code, answer.data) == (200, b"HelloWorld\n")
    assert len(calls.accepted) == 1


def test_sync_is_told_its_call_where_redis_stays_away(store, engine, monkeypatch):
    monkeypatch.setattr(waits, "PAUSE_SECONDS", 0.1)
    calls = FakeCallStore(store)
    func = make_func(make_client(store, engine, calls, FUNCSVC_MAX_WAIT_SECONDS="1"), calls)

    def fail(call_id: str, seconds: float) -> None:
        raise StoreUnavailable("it can't be reached")

    calls.wait_for_end = fail
    answer = func.client.post(func.path("call", "sync"))
    assert (answer.status_code, answer.get_json()["Status"]) == (202, "PENDING")


def test_call_that_goes_while_it_is_waited_for_is_not_found(func, calls):
    def end_and_remove(call_id: str, seconds: float) -> None:
        calls.end(call_id, HELLO)
        calls.delete_call(call_id)

    calls.wait_for_end = end_and_remove
    assert func.client.post(func.path("call", "sync")).status_code == 404


@pytest.mark.parametrize("runs", [False, True])
def test_who_waits_is_told_that_the_func_was_removed_by_force(func, calls, store, runs):
    call_id = func.call()
    if runs:
        calls.run(call_id)
    timer = threading.Timer(0.2, store.delete_func, ("hello",), {"force": True})
    timer.start()
    answer = func.client.get(func.path("output", call_id, "wait"))
    assert (answer.status_code, answer.get_json()) == (
        410,
        {"message": f'The call "{call_id}" was removed with its function.'},
    )
    timer.join()


def test_more_waits_than_may_be_are_busy_and_store_nothing(store, engine):
    calls = FakeCallStore(store)
    client = make_client(store, engine, calls, FUNCSVC_MAX_WAITS="1")
    func, ended = make_func(client, calls), make_func(client, calls, "other").ended()
    waiter = threading.Thread(
        target=lambda: client.application.test_client().post(func.path("call", "sync"))
    )
    waiter.start()
    servers.wait_until(lambda: len(calls.accepted) == 2, "the first call is stored")
    pending = func.calls.accepted[1].id
    for method, path in (
        ("POST", func.path("call", "sync")),
        ("GET", func.path("output", pending, "wait")),
    ):
        answer = client.open(path, method=method)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.get_json() == {
            "message": "1 requests already wait for the end of a call, the maximum: "
            "try again in a few seconds."
        }
    assert len(calls.accepted) == 2
    assert client.get(func.path("output", pending)).status_code == 202
    other = make_func_path(store, "other", ended)
    assert client.get(other).status_code == 200  # an ended call isn't waited for
    calls.end(pending, HELLO)
    waiter.join()
    free = func.call()
    calls.end(free, HELLO)
    assert client.get(func.path("output", free, "wait")).status_code == 200


def make_func_path(store, name: str, call_id: str) -> str:
    uuid = store.definitions[name].partition('"UUID": "')[2][:36]
    return f"/output/{name}/{uuid}/{call_id}/wait"
