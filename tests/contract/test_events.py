"""One suite for the fake and the real event log: fields, tails, waits and the limit."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.machine.waiting import NEVER_SECONDS, PATIENCE_SECONDS
from funcsvc.model import SHORT_BYTES, Event, Failure, Outcome
from funcsvc.store.events import PAGE_EVENTS
from tests.contract.calls import ENDED
from tests.contract.whole_state import event_bytes

EVERY_BYTE = bytes(range(256))
FINISHED = ["CALL", "PENDING", "RUNNING", "FINISHED"]


def numbered(service, func, number: int) -> list[str]:
    """Create calls, with two events each, and return their ids."""
    return [service.call(func) for _ in range(number)]


def texts_of(event: Event) -> dict[str, bytes | str]:
    """Return the texts of an event that aren't empty."""
    names = ("short_stdin", "short_stdout", "short_stderr", "message")
    return {name: getattr(event, name) for name in names if getattr(event, name)}


def test_events_of_a_finished_call_have_their_fields_in_order(service):
    func = service.add_func()
    before_ms = time.time() * 1000 - 1000
    call_id = service.call(func, b"in")
    service.end(call_id, Outcome(output=b"all", short_stdout=b"out\n", short_stderr=b"err"))
    events = service.events_of(func)
    assert [event.name for event in events] == FINISHED
    assert [texts_of(event) for event in events] == [
        {"short_stdin": b"in"},
        {},
        {},
        {"short_stdout": b"out\n", "short_stderr": b"err"},
    ]
    assert {event.call_id for event in events} == {call_id}
    times = [event.time_ms for event in events]
    assert times == sorted(times)
    assert before_ms < times[0] <= times[-1] < time.time() * 1000 + 1000
    assert len({event.position for event in events}) == 4


def test_failed_call_says_why(service):
    func = service.add_func()
    message = "It ended with exit code 1: ä☃😀."
    outcome = Outcome(short_stderr=b"\xff", failure=Failure.FAILED, message=message)
    service.end(service.call(func), outcome)
    last = service.events_of(func)[-1]
    assert last.name == "FAILED"
    assert texts_of(last) == {"short_stderr": b"\xff", "message": message}


@pytest.mark.parametrize(
    "payload", [b"", b"\0", EVERY_BYTE[:SHORT_BYTES], EVERY_BYTE, b"x" * 100_000]
)
def test_event_of_a_call_shows_the_beginning_of_its_payload(service, payload):
    func = service.add_func()
    service.call(func, payload)
    assert service.events_of(func)[0].short_stdin == payload[:255]


def test_events_of_several_calls_are_in_the_order_in_which_things_came(service):
    func, other = service.add_func(), service.add_func("other")
    first, second = service.call(func), service.call(func)
    service.call(other)
    service.run(first)
    service.run(second)
    service.end(second)
    service.end(first)
    assert [(event.name, event.call_id) for event in service.events_of(func)] == [
        ("CALL", first),
        ("PENDING", first),
        ("CALL", second),
        ("PENDING", second),
        ("RUNNING", first),
        ("RUNNING", second),
        ("FINISHED", second),
        ("FINISHED", first),
    ]
    assert service.event_names(func, second) == FINISHED
    assert service.event_names(func, "nope") == []
    assert service.event_names(other) == ["CALL", "PENDING"]


def test_func_without_events_has_none(service):
    func = service.add_func()
    assert service.events_of(func) == service.events_of(func, tail=5) == []
    assert service.events.get_last_position("hello") == "0-0"
    assert service.events.get_last_position("nope") == "0-0"
    assert service.events.wait_for_events("hello", "0-0", 0.01) == []


@pytest.mark.parametrize("calls", [1, 3, 251, 600])
def test_tail_is_the_last_events_in_order(service, calls):
    func = service.add_func()
    numbered(service, func, calls)
    everything = service.events_of(func)
    assert len(everything) == 2 * calls
    for tail in (0, 1, 2, 499, 500, 501, 1199, 100_000):
        assert service.events_of(func, tail=tail) == everything[-tail or len(everything) :]


def test_tail_of_one_call_counts_its_own_events_only(service):
    func = service.add_func()
    call_id = service.call(func)
    numbered(service, func, 400)
    service.end(call_id)
    numbered(service, func, 400)
    its = service.events_of(func, call_id=call_id)
    assert [event.name for event in its] == FINISHED
    for tail in range(6):
        assert service.events_of(func, call_id=call_id, tail=tail) == its[-tail or len(its) :]
        assert service.events_of(func, call_id="nope", tail=tail) == []


@pytest.mark.parametrize("tail", [None, 0, 1, 2, 3, 100])
@pytest.mark.parametrize("last", [0, 1, 5, 7])
def test_events_until_a_position_end_with_the_one_there(service, tail, last):
    func = service.add_func()
    ids = numbered(service, func, 4)
    everything = service.events_of(func)
    before = everything[: last + 1]
    until = everything[last].position
    expected = before if tail is None else before[max(0, len(before) - tail) :]
    assert service.events_of(func, tail=tail, until=until) == expected
    its = [event for event in before if event.call_id == ids[0]]
    expected = its if tail is None else its[max(0, len(its) - tail) :]
    assert service.events_of(func, call_id=ids[0], tail=tail, until=until) == expected


def test_last_position_is_where_waiting_goes_on(service):
    func = service.add_func()
    numbered(service, func, 3)
    position = service.events.get_last_position("hello")
    assert position == service.events_of(func)[-1].position
    assert service.events.wait_for_events("hello", position, 0.01) == []
    call_id = service.call(func)
    found = service.events.wait_for_events("hello", position, PATIENCE_SECONDS)
    assert [(event.name, event.call_id) for event in found] == [
        ("CALL", call_id),
        ("PENDING", call_id),
    ]


@pytest.mark.parametrize("seconds", [-1, 0, 0.0001, 0.2])
def test_wait_for_events_is_over_after_its_time(service, seconds):
    begin = time.monotonic()
    assert not service.events.wait_for_events("hello", "0-0", seconds)
    assert seconds - 0.05 <= time.monotonic() - begin < PATIENCE_SECONDS


def test_wait_for_events_is_over_when_one_comes(service):
    func = service.add_func()
    with ThreadPoolExecutor(9) as followers:
        waits = [
            followers.submit(service.events.wait_for_events, "hello", "0-0", NEVER_SECONDS)
            for _ in range(8)
        ]
        other = followers.submit(service.events.wait_for_events, "other", "0-0", 0.6)
        time.sleep(0.2)
        service.call(func)
        assert all(wait.result(PATIENCE_SECONDS)[0].name == "CALL" for wait in waits)
        assert other.result() == []


def test_followers_miss_nothing_and_see_nothing_twice(service):
    func = service.add_func()
    for _ in range(5):
        service.end(service.call(func))
    over = threading.Event()

    def follow(_: int) -> list[Event]:
        position = service.events.get_last_position("hello")
        seen = service.events_of(func, until=position)
        while True:
            is_last = over.is_set()
            found = service.events.wait_for_events("hello", position, 0.05)
            seen += found
            if found:
                position = found[-1].position
            elif is_last:
                return seen

    with ThreadPoolExecutor(5) as followers:
        following = [followers.submit(follow, number) for number in range(5)]
        try:
            for _ in range(300):
                service.end(service.call(func), ENDED)
        finally:
            over.set()
        everything = service.events_of(func)
        assert len(everything) == 20 + 1200
        for each in following:
            assert each.result() == everything


def test_follower_far_behind_gets_everything_in_pages(service):
    func = service.add_func()
    numbered(service, func, 700)
    seen, position = [], "0-0"
    while found := service.events.wait_for_events("hello", position, 0.01):
        seen += found
        position = found[-1].position
    assert seen == service.events_of(func)


def test_events_that_come_while_others_are_listed_are_shown_or_not_and_none_twice(service):
    func = service.add_func()
    numbered(service, func, 300)
    before = service.events_of(func)
    listing = service.events.list_events("hello")
    seen = [next(listing) for _ in range(10)]
    numbered(service, func, 10)
    seen += listing
    assert seen[:600] == before
    assert seen == service.events_of(func)[: len(seen)]


def log_bytes(state) -> int:
    return int(state.get("counts:hello")["log_bytes"])


@pytest.mark.parametrize("max_log_bytes", [1, 500, 4096, 20_000])
@pytest.mark.parametrize("size", [0, 255])
def test_log_stays_within_its_bound_and_keeps_the_newest(
    make_real, whole_state, max_log_bytes, size
):
    real = make_real(max_log_bytes=max_log_bytes)
    func = real.add_func()
    text = b"x" * size
    outcome = Outcome(short_stdout=text, short_stderr=text)
    for _ in range(60):
        call_id = real.call(func, text)
        assert real.events_of(func)[-1].call_id == call_id
        real.end(call_id, outcome)
        events = real.events_of(func)
        assert (events[-1].name, events[-1].call_id) == ("FINISHED", call_id)
    state = whole_state()
    kept = list(state.get("logs:hello").values())
    assert log_bytes(state) <= max_log_bytes or len(kept) == 1
    if len(kept) > 1:  # no more events were dropped than necessary
        assert log_bytes(state) + 2 * max(map(event_bytes, kept)) > max_log_bytes


def test_log_far_over_a_lowered_bound_comes_down_bit_by_bit(make_real, whole_state):
    func = make_real().add_func()
    real = make_real()
    numbered(real, func, 1000)
    before = log_bytes(whole_state())
    lowered = make_real(max_log_bytes=4096)
    lowered.call(func)
    assert 4096 < log_bytes(whole_state()) < before
    numbered(lowered, func, 20)
    assert log_bytes(whole_state()) <= 4096


def test_events_that_are_dropped_while_others_are_listed_stop_nothing(make_real):
    real = make_real()
    func = real.add_func()
    numbered(real, func, 600)
    everything = real.events_of(func)
    listing = real.events.list_events("hello")
    seen = [next(listing)]
    lowered = make_real(max_log_bytes=4096)
    numbered(lowered, func, 30)
    seen += listing
    assert seen[:PAGE_EVENTS] == everything[:PAGE_EVENTS]
    assert seen[-1] == real.events_of(func)[-1]
    assert len({event.position for event in seen}) == len(seen)


def test_log_of_a_removed_func_begins_anew_after_the_old_one(service):
    func = service.add_func()
    service.end(service.call(func))
    position = service.events.get_last_position("hello")
    service.funcs.delete_func("hello")
    assert service.events.get_last_position("hello") == "0-0"
    again = service.add_func()
    call_id = service.call(again)
    found = service.events.wait_for_events("hello", position, PATIENCE_SECONDS)
    assert [event.call_id for event in found] == [call_id, call_id]
