"""The status of a func: its counts, and the list of its calls."""

from __future__ import annotations

import itertools
import json
import re
import tracemalloc

import pytest

from funcsvc.model import CallState, CallStatus
from funcsvc.model.errors import StoreUnavailable
from tests.api.calling import FAILED, NO_CALL, CalledFunc, make_func

NOTHING = '{"Total": 0, "Pending": 0, "Running": 0, "Finished": 0, "Failed": 0}'
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def func(client, calls) -> CalledFunc:
    return make_func(client, calls)


def status(func: CalledFunc, query: str = "") -> str:
    answer = func.client.get(func.path("status") + query)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    return answer.get_data(as_text=True)


def test_func_without_calls_has_counts_of_zero(func):
    assert status(func) == NOTHING
    assert status(func, "?list=1") == f'{NOTHING[:-1]}, "List": []}}'


def test_each_status_is_counted(func, calls):
    func.call()
    calls.run(func.call())
    for _ in range(2):
        func.ended()
    for _ in range(3):
        func.ended(FAILED)
    assert status(func) == '{"Total": 7, "Pending": 1, "Running": 1, "Finished": 2, "Failed": 3}'


def test_list_has_the_calls_that_are_stored(func, calls):
    answered = func.ended()
    assert func.client.get(func.path("output", answered)).data == b"HelloWorld\n"
    pending, failed = func.call(), func.ended(FAILED)
    document = json.loads(status(func, "?list=1"))
    assert list(document) == ["Total", "Pending", "Running", "Finished", "Failed", "List"]
    assert document["Total"] == 3
    assert all(TIME.fullmatch(row.pop("Created")) for row in document["List"])
    assert document["List"] == [
        {"CallId": pending, "Status": "PENDING", "Message": None},
        {"CallId": failed, "Status": "FAILED", "Message": "The function ended with exit code 7."},
    ]


@pytest.mark.parametrize("query", ["?list=0", "?list=", "?list=false", "?all=1", "?x=%C3%A4"])
def test_list_is_left_out_unless_it_is_asked_for(func, query):
    assert status(func, query) == NOTHING


@pytest.mark.parametrize("value", ["2", "yes", "-1"])
def test_bad_list_option_is_refused(func, value):
    sentence = f'list is "{value}", but must be 1, true, 0 or false.'
    answer = func.client.get(f"{func.path('status')}?list={value}")
    assert (answer.status_code, answer.get_json()) == (
        400,
        {"message": sentence, "errors": {"list": [sentence]}},
    )


def test_long_list_is_streamed(func, calls):
    row = CallState(NO_CALL, "hello", 0, CallStatus.PENDING)
    calls.list_calls = lambda name: itertools.repeat(row, 20_000)
    answer = func.client.get(func.path("status") + "?list=1")
    tracemalloc.start()
    length = sum(map(len, answer.iter_encoded()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert length > 20_000 * 90
    assert peak < 1_000_000


def test_redis_that_can_not_be_used_is_said(func, calls):
    calls.fail_with(StoreUnavailable("it can't be reached"))
    answer = func.client.get(f"{func.path('status')}?list=1")
    assert (answer.status_code, answer.get_json()) == (
        500,
        {"message": "Redis can't be used: it can't be reached."},
    )


def test_list_that_fails_in_its_middle_is_cut(func, calls, caplog):
    row = CallState(NO_CALL, "hello", 0, CallStatus.PENDING)

    def fail_late(name: str):
        yield from itertools.repeat(row, 5000)
        raise StoreUnavailable("it can't be reached")

    calls.list_calls = fail_late
    answer = func.client.get(func.path("status") + "?list=1")
    with pytest.raises(BrokenPipeError):
        answer.get_data()
    assert "cut short: Redis can't be used: it can't be reached." in caplog.text
