"""The log of a func: stored events, and new ones while it is followed."""

from __future__ import annotations

import itertools
import json
import threading
import time

import pytest

from dev import servers
from funcsvc.model.errors import StoreUnavailable
from funcsvc.web.logs import stream as log_stream
from tests.api.calling import FAILED, HELLO, NO_CALL, CalledFunc, make_func
from tests.api.conftest import make_client
from tests.fakes import FakeCallStore


@pytest.fixture
def func(client, calls) -> CalledFunc:
    return make_func(client, calls)


def events(func: CalledFunc, query: str = "") -> list[tuple[str, str]]:
    """Return the event and call id of each line."""
    answer = func.client.get(func.path("logs") + query)
    assert (answer.status_code, answer.content_type) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in answer.get_data(as_text=True).splitlines()]
    return [(line["Event"], line["CallId"]) for line in lines]


def life(call_id: str, end: str = "FINISHED") -> list[tuple[str, str]]:
    return [(name, call_id) for name in ("CALL", "PENDING", "RUNNING", end)]


def test_log_has_every_event_in_order(func):
    first, second = func.ended(), func.ended(FAILED)
    assert events(func) == life(first) + life(second, "FAILED")


def test_func_without_calls_has_an_empty_log(func):
    assert events(func) == []
    assert events(func, "?tail=5") == []


def test_line_has_what_the_contract_says(func):
    func.ended(data=b"in")
    text = func.client.get(func.path("logs")).get_data(as_text=True)
    assert text.endswith("}\n")
    called, _, _, finished = map(json.loads, text.splitlines())
    assert list(called) == ["Time", "Event", "CallId", "ShortStdin"]
    assert called["ShortStdin"] == "in"
    assert list(finished) == ["Time", "Event", "CallId", "ShortStdout"]
    assert finished["ShortStdout"] == "HelloWorld\n"


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 8), ("?tail=all", 8), ("?tail=", 8), ("?tail=3", 3), ("?tail=0", 0), ("?tail=99", 8)],
)
def test_tail_is_the_last_so_many(func, query, count):
    everything = life(func.ended()) + life(func.ended())
    assert events(func, query) == everything[8 - count :]


def test_log_of_one_call(func):
    first, second = func.ended(), func.ended()
    assert events(func, f"?callid={first}") == life(first)
    assert events(func, f"?callid={second}&tail=1") == life(second)[-1:]
    assert events(func, f"?callid={NO_CALL}") == []


def test_log_of_all_calls(func):
    everything = life(func.ended()) + life(func.ended())
    assert events(func, "?callid=all") == everything
    assert events(func, "?callid=all&tail=3") == everything[-3:]


def test_options_of_other_clients_are_ignored(func):
    call_id = func.ended()
    assert events(func, "?stdout=1&since=0&timestamps=x") == life(call_id)


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("tail", "x", "all, or a whole number of at most 9 digits"),
        ("tail", "-1", "all, or a whole number of at most 9 digits"),
        ("follow", "maybe", "1, true, 0 or false"),
    ],
)
def test_bad_option_is_refused(func, option, value, rule):
    answer = func.client.get(f"{func.path('logs')}?{option}={value}")
    sentence = f'{option} is "{value}", but must be {rule}.'
    assert (answer.status_code, answer.get_json()) == (
        400,
        {"message": sentence, "errors": {option: [sentence]}},
    )


@pytest.mark.parametrize("query", ["", "?follow=1"])
def test_redis_that_can_not_be_used_is_said(func, calls, query):
    calls.events.fail_with(StoreUnavailable("it can't be reached"))
    answer = func.client.get(func.path("logs") + query)
    assert (answer.status_code, answer.get_json()) == (
        500,
        {"message": "Redis can't be used: it can't be reached."},
    )


def test_upgrade_needs_a_connection(func):
    """The test client has no raw connection; only gunicorn has."""
    call_id = func.ended()
    answer = func.client.get(func.path("logs"), headers={"Connection": "Upgrade", "Upgrade": "tcp"})
    assert answer.status_code == 200
    assert answer.get_data().count(call_id.encode()) == 4


def test_head_follows_nothing(func):
    assert func.client.head(func.path("logs") + "?follow=1").status_code == 200


def test_followed_log_of_one_call_ends_with_it(func, calls):
    call_id, other = func.call(), func.call()

    def work() -> None:
        time.sleep(0.2)
        calls.end(other, HELLO)
        calls.end(call_id, HELLO)

    worker = threading.Thread(target=work)
    worker.start()
    assert events(func, f"?follow=1&callid={call_id}") == life(call_id)
    worker.join()


@pytest.mark.parametrize("tail", ["all", "0"])
def test_followed_log_of_a_call_that_has_ended_ends_at_once(func, tail):
    call_id = func.ended()
    expected = life(call_id) if tail == "all" else []
    assert events(func, f"?follow=1&callid={call_id}&tail={tail}") == expected
    assert events(func, f"?follow=1&callid={NO_CALL}") == []


def test_call_that_ends_while_the_log_begins_ends_it(func, calls, monkeypatch):
    """The end is among the stored events, none of which the request asked for."""
    monkeypatch.setattr(log_stream, "LOOK_SECONDS", 0.05)
    call_id = func.call()
    real = calls.events.get_last_position

    def end_first(name: str) -> str:
        calls.end(call_id, HELLO)
        return real(name)

    calls.events.get_last_position = end_first
    assert events(func, f"?follow=1&callid={call_id}&tail=0") == []


def test_no_event_is_lost_or_doubled_between_what_is_there_and_what_comes(func, calls):
    first = func.ended()
    real = calls.events.list_events

    def call_meanwhile(*arguments):
        yield from real(*arguments)
        calls.events.list_events = real
        second.append(func.ended())

    second: list[str] = []
    calls.events.list_events = call_meanwhile
    answer = func.client.get(func.path("logs") + "?follow=1")
    lines, wanted = [], 8
    for piece in answer.response:
        lines += piece.splitlines()
        if len(lines) >= wanted:
            break
    answer.close()
    found = [(line["Event"], line["CallId"]) for line in map(json.loads, lines)]
    assert found == life(first) + life(second[0])


def test_followed_log_ends_when_the_func_is_removed(func, store, calls, monkeypatch):
    monkeypatch.setattr(log_stream, "LOOK_SECONDS", 0.05)
    call_id = func.ended()
    remover = threading.Timer(0.2, store.delete_func, ("hello",))
    remover.start()
    assert events(func, "?follow=1") == life(call_id)
    remover.join()


def test_followed_log_shows_nothing_of_another_func_of_its_name(func, store, calls):
    """The path of a removed func does not open the log of a new func with the same name."""
    real = calls.events.wait_for_events

    def replace(name: str, after: str, seconds: float):
        store.delete_func("hello")
        make_func(func.client, calls).call(data=b"secret")
        return real(name, after, seconds)

    calls.events.wait_for_events = replace
    assert events(func, "?follow=1") == []


def test_followed_log_ends_when_the_process_stops(func, monkeypatch):
    stopped = threading.Event()
    monkeypatch.setattr(log_stream, "STOPPING", stopped)
    monkeypatch.setattr(log_stream, "LOOK_SECONDS", 0.05)
    call_id = func.ended()
    threading.Timer(0.2, stopped.set).start()
    assert events(func, "?follow=1") == life(call_id)


def test_followed_log_outlasts_a_redis_that_is_gone_for_a_while(func, calls, monkeypatch):
    monkeypatch.setattr(log_stream, "PAUSE_SECONDS", 0.01)
    real, failures = calls.events.wait_for_events, iter(range(3))
    call_id = func.call()

    def fail_then_go_on(*arguments):
        if next(failures, None) is not None:
            raise StoreUnavailable("it can't be reached")
        calls.events.wait_for_events = real
        calls.end(call_id, HELLO)
        return real(*arguments)

    calls.events.wait_for_events = fail_then_go_on
    assert events(func, f"?follow=1&callid={call_id}") == life(call_id)


def test_followed_log_goes_on_where_redis_went_in_the_middle(func, calls):
    call_id = func.call()
    real = calls.events.list_events

    def fail_late(*arguments):
        yield next(real(*arguments))
        raise StoreUnavailable("it can't be reached")

    calls.events.list_events = fail_late
    ender = threading.Timer(0.2, calls.end, (call_id, HELLO))
    ender.start()
    assert events(func, f"?follow=1&callid={call_id}") == life(call_id)
    ender.join()


def test_log_is_cut_where_redis_goes_in_the_middle(func, calls):
    func.ended()
    real = calls.events.list_events

    def fail_late(*arguments):
        yield from itertools.repeat(next(real(*arguments)), 1000)
        raise StoreUnavailable("it can't be reached")

    calls.events.list_events = fail_late
    answer = func.client.get(func.path("logs"))
    pieces = iter(answer.response)
    assert b"CALL" in next(pieces)
    with pytest.raises(BrokenPipeError):
        list(pieces)


def test_log_is_an_error_where_redis_goes_before_anything_is_sent(func, calls):
    func.ended()
    real = calls.events.list_events

    def fail_soon(*arguments):
        yield next(real(*arguments))
        raise StoreUnavailable("it can't be reached")

    calls.events.list_events = fail_soon
    assert func.client.get(func.path("logs")).status_code == 500


def test_followed_log_is_cut_where_redis_stays_away(func, calls, monkeypatch):
    monkeypatch.setattr(log_stream, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(log_stream, "PATIENCE_SECONDS", 0.1)

    def fail(*arguments):
        raise StoreUnavailable("it can't be reached")

    calls.events.wait_for_events = fail
    with pytest.raises(BrokenPipeError):
        func.client.get(func.path("logs") + "?follow=1").get_data()


def test_more_followers_than_may_be_are_busy(store, engine):
    calls = FakeCallStore(store)
    func = make_func(make_client(store, engine, calls, FUNCSVC_MAX_FOLLOWERS="1"), calls)
    call_id = func.ended()
    first = func.client.get(func.path("logs") + "?follow=1")
    answer = func.client.get(func.path("logs") + "?follow=1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.get_json() == {
        "message": "1 requests already follow logs, the maximum: try again in a few seconds."
    }
    assert events(func) == life(call_id)  # reading stored events doesn't count as following
    first.close()
    servers.wait_until(
        lambda: func.client.head(func.path("logs") + "?follow=1").status_code == 200,
        "the place is free again",
    )
