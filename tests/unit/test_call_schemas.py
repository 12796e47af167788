"""Calls, counts and events as answers show them, and the queries that ask for them."""

from __future__ import annotations

import json

import pytest

from funcsvc.model import CallCounts, CallState, CallStatus, Event
from funcsvc.model.errors import InvalidQuery
from funcsvc.schemas import (
    LogQuery,
    counts_text,
    event_line,
    load_flag,
    load_log_query,
    status_pieces,
)

CALL_ID = "218b7b10-0000-4000-8000-000000000000"
TIME_MS = 1489647924473
TIME = "2017-03-16T07:05:24.473Z"


def listed(call: CallState) -> dict[str, str]:
    """Return a call as a list of calls shows it."""
    status = json.loads(b"".join(status_pieces(CallCounts(0, 0, 0, 0, 0), iter([call]))))
    [shown] = status["List"]
    return shown


def line(**texts) -> bytes:
    return event_line(Event("1-0", TIME_MS, "FINISHED", CALL_ID, **texts))


def test_event_without_texts_is_time_event_and_call():
    assert line() == (
        b'{"Time": "2017-03-16T07:05:24.473Z", "Event": "FINISHED", "CallId": "%s"}\n'
        % CALL_ID.encode()
    )


def test_event_has_its_texts_in_order():
    text = line(short_stdin=b"in", short_stdout=b"out", short_stderr=b"err", message="Oh.")
    assert list(json.loads(text).items())[3:] == [
        ("ShortStdin", "in"),
        ("ShortStdout", "out"),
        ("ShortStderr", "err"),
        ("Message", "Oh."),
    ]


@pytest.mark.parametrize(
    ("short", "text"),
    [
        (b"HelloWorld\n", "HelloWorld\n"),
        ("ä€😀".encode(), "ä€😀"),
        (b"\xff", "\ufffd"),
        (b"a\xffb", "a\ufffdb"),
        (b"a" * 254 + b"\xc3", "a" * 254),  # cut within a character
        (b"a" * 253 + "€".encode()[:2], "a" * 253),
        (b"a" * 252 + "😀".encode()[:3], "a" * 252),
        (b"a" * 253 + "ä".encode(), "a" * 253 + "ä"),
        (b"a" * 253 + b"\xc3", "a" * 253 + "\ufffd"),  # not cut: the function's own half
        (b"a" * 254 + b"\xff", "a" * 254 + "\ufffd"),
        (b'"\x00\n\x1b', '"\x00\n\x1b'),
    ],
)
def test_bytes_of_a_stream_are_shown_as_text(short, text):
    shown = line(short_stdout=short)
    assert shown.count(b"\n") == 1
    assert json.loads(shown)["ShortStdout"] == text


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [(TIME_MS, TIME), (0, "1970-01-01T00:00:00.000Z"), (999, "1970-01-01T00:00:00.999Z")],
)
def test_times_have_milliseconds(time_ms, text):
    assert listed(CallState(CALL_ID, "f", time_ms, CallStatus.PENDING))["Created"] == text


def test_call_in_a_list_has_its_status_in_capitals_and_null_for_no_message():
    finished = CallState(CALL_ID, "f", TIME_MS, CallStatus.FINISHED)
    assert list(listed(finished).items()) == [
        ("CallId", CALL_ID),
        ("Created", TIME),
        ("Status", "FINISHED"),
        ("Message", None),
    ]
    failed = CallState(CALL_ID, "f", TIME_MS, CallStatus.FAILED, message="Oh.")
    assert list(listed(failed).items())[2:] == [("Status", "FAILED"), ("Message", "Oh.")]


def test_counts_are_in_the_contracts_order():
    assert list(json.loads(counts_text(CallCounts(10, 1, 2, 3, 4))).items()) == [
        ("Total", 10),
        ("Pending", 1),
        ("Running", 2),
        ("Finished", 3),
        ("Failed", 4),
    ]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({}, LogQuery("", None, False)),
        ({"callid": CALL_ID}, LogQuery(CALL_ID, None, False)),
        ({"callid": "all"}, LogQuery("", None, False)),
        ({"callid": "all", "tail": "1"}, LogQuery("", 1, False)),
        ({"tail": "all"}, LogQuery("", None, False)),
        ({"tail": ""}, LogQuery("", None, False)),
        ({"tail": "0"}, LogQuery("", 0, False)),
        ({"tail": "17"}, LogQuery("", 17, False)),
        ({"tail": "999999999"}, LogQuery("", 999999999, False)),
        ({"follow": "1"}, LogQuery("", None, True)),
        ({"since": "yesterday", "stdout": "1"}, LogQuery("", None, False)),
    ],
)
def test_log_query_is_read(query, asked):
    assert load_log_query(query) == asked


@pytest.mark.parametrize("tail", ["-1", "1.5", "ALL", "x", "1 ", "+1", "1000000000", "٣", "1\n"])
def test_bad_tail_is_refused(tail):
    with pytest.raises(InvalidQuery) as caught:
        load_log_query({"tail": tail})
    assert caught.value.message.startswith("tail is ")


@pytest.mark.parametrize(
    ("text", "is_on"),
    [("", False), ("0", False), ("false", False), ("False", False), ("1", True), ("true", True),
     ("True", True), ("TRUE", True)],
)  # fmt: skip
def test_flag_is_read(text, is_on):
    assert load_flag({"list": text}, "list") is is_on
    assert load_flag({}, "list") is False


@pytest.mark.parametrize("text", ["2", "yes", "on", "-1", " 1", "tru", "1\n"])
def test_bad_flag_is_refused(text):
    with pytest.raises(InvalidQuery) as caught:
        load_flag({"list": text}, "list")
    assert caught.value.message == f"list is {json.dumps(text)}, but must be 1, true, 0 or false."
