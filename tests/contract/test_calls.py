"""One suite for the fake and the real store of calls."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.model import CallState, CallStatus, Failure, Outcome
from funcsvc.model.errors import CallNotFound, FuncBusy, FuncNotFound, OutputRotated, TooManyPending
from tests.contract.calls import (
    BOUND_OF_KEPT,
    EVERY_BYTE,
    FAILED,
    KEPT,
    NOBODY,
    OUTPUT_BYTES,
    assert_not_found,
    counts,
    end_one,
    new_call,
    wait,
)
from tests.contract.stores import new_func
from tests.contract.whole_state import CALL_OVERHEAD_BYTES
from tests.fakes.calls import CALL_OVERHEAD_BYTES as FAKE_OVERHEAD_BYTES


def test_accepted_call_is_pending_and_counted(service):
    func = service.add_func()
    before_ms = time.time() * 1000
    call_id = service.call(func)
    state = service.calls.get_call("hello", call_id)
    assert before_ms - 1000 <= state.created_ms <= time.time() * 1000 + 1000
    assert state == CallState(call_id, "hello", state.created_ms, CallStatus.PENDING)
    assert service.calls.get_func_name(call_id) == "hello"
    assert service.calls.get_counts("hello") == counts(pending=1)


def test_call_that_runs_is_running_and_counted(service):
    func = service.add_func()
    call_id = service.call(func)
    service.run(call_id)
    assert service.calls.get_call("hello", call_id).status is CallStatus.RUNNING
    assert service.calls.get_counts("hello") == counts(running=1)


@pytest.mark.parametrize(
    ("outcome", "status", "counted"),
    [
        (Outcome(output=b"out"), CallStatus.FINISHED, counts(finished=1)),
        (Outcome(), CallStatus.FINISHED, counts(finished=1)),
        (FAILED, CallStatus.FAILED, counts(failed=1)),
        *(
            (Outcome(failure=failure, message="Why."), CallStatus.FAILED, counts(failed=1))
            for failure in Failure
        ),
    ],
)
def test_ended_call_has_its_outcome_and_is_counted(service, outcome, status, counted):
    func = service.add_func()
    call_id = service.call(func, b"payload")
    service.end(call_id, outcome)
    state = service.calls.get_call("hello", call_id)
    assert state == CallState(
        call_id,
        "hello",
        state.created_ms,
        status,
        output=outcome.output,
        failure=outcome.failure,
        message=outcome.message,
    )
    assert service.calls.get_counts("hello") == counted


@pytest.mark.parametrize(
    "output", [b"", b"\0", EVERY_BYTE, b"\r\n$3\r\n", "ä☃😀".encode(), b"\xff\xfe", b"x" * 1048576]
)
def test_output_is_kept_byte_for_byte(service, output):
    func = service.add_func()
    call_id = end_one(service, func, Outcome(output=output))
    assert service.calls.get_call("hello", call_id).output == output


def test_call_accepted_twice_is_stored_once(service):
    func = service.add_func()
    call = new_call(func)
    service.calls.create_call(call)
    service.calls.create_call(call)
    assert service.calls.get_counts("hello") == counts(pending=1)
    assert service.event_names(func) == ["CALL", "PENDING"]


@pytest.mark.parametrize(("func_name", "uuid"), [("hello", NOBODY), ("other", None), ("other", "")])
def test_call_of_no_func_or_under_another_uuid_is_not_found_and_not_stored(
    service, func_name, uuid
):
    func = service.add_func()
    call = new_call(func, func_name=func_name)
    with pytest.raises(FuncNotFound) as caught:
        service.calls.create_call(call if uuid is None else replace(call, func_uuid=uuid))
    assert caught.value.message == f'There is no function named "{func_name}".'
    assert_not_found(service, func_name, call.id)
    assert service.calls.get_counts(func_name) == counts()
    assert service.event_names(func) == []


def test_uuid_in_a_label_opens_no_func(service):
    func, definition = new_func()
    labelled = definition.replace(
        '"Cmd": ["echo"]', f'"Cmd": ["echo"], "Labels": {{"UUID": "{NOBODY}"}}'
    )
    assert NOBODY in labelled
    service.funcs.create_func(func, labelled)
    with pytest.raises(FuncNotFound):
        service.calls.create_call(new_call(func, func_uuid=NOBODY))
    service.call(func)


def test_call_under_an_old_uuid_is_not_found(service):
    func = service.add_func()
    first = service.call(func)
    service.funcs.update_func("hello", lambda text: text.replace(func.uuid, NOBODY))
    with pytest.raises(FuncNotFound):
        service.call(func)
    service.call(replace(func, uuid=NOBODY))
    assert service.calls.get_call("hello", first).status is CallStatus.PENDING
    assert service.calls.get_counts("hello") == counts(pending=2)


@pytest.mark.parametrize("max_pending", [1, 3])
def test_call_beyond_the_most_that_may_be_pending_is_refused_until_one_runs(
    make_service, max_pending
):
    service = make_service(max_pending=max_pending)
    func, other = service.add_func(), service.add_func("other")
    accepted = [service.call(func) for _ in range(max_pending)]
    refused = new_call(func)
    with pytest.raises(TooManyPending) as caught:
        service.calls.create_call(refused)
    assert caught.value.message == (
        f"This function already has {max_pending} pending calls, the maximum: "
        "try again in a few seconds."
    )
    assert_not_found(service, "hello", refused.id)
    service.run(accepted[0])
    service.calls.create_call(refused)
    service.call(other)
    assert service.calls.get_counts("hello") == counts(pending=max_pending, running=1)


def test_call_is_another_funcs_call_for_no_func(service):
    func, other = service.add_func(), service.add_func("other")
    call_id = service.call(func)
    assert_not_found(service, other.name, call_id)
    assert_not_found(service, "nope", call_id)
    assert_not_found(service, func.name, NOBODY)
    with pytest.raises(CallNotFound):
        service.calls.get_func_name(NOBODY)


def test_answered_call_is_removed_and_stays_counted(service):
    func = service.add_func()
    kept, answered = (end_one(service, func, Outcome(output=b"out")) for _ in range(2))
    service.calls.delete_call(answered)
    service.calls.delete_call(answered)
    assert_not_found(service, "hello", answered)
    with pytest.raises(CallNotFound):
        service.calls.get_func_name(answered)
    assert service.calls.get_call("hello", kept).output == b"out"
    assert [call.id for call in service.calls.list_calls("hello")] == [kept]
    assert service.calls.get_counts("hello") == counts(finished=2)
    assert service.event_names(func, answered) == ["CALL", "PENDING", "RUNNING", "FINISHED"]


def test_call_that_has_not_ended_is_not_removed(service):
    func = service.add_func()
    running, pending = service.call(func), service.call(func)
    service.run(running)
    for call_id in (running, pending, NOBODY):
        service.calls.delete_call(call_id)
    assert service.calls.get_counts("hello") == counts(pending=1, running=1)
    service.end(running)
    service.end(pending)
    assert service.calls.get_call("hello", pending).output == b"out"


def test_oldest_outputs_are_rotated_away_at_exactly_the_bound(make_service):
    assert FAKE_OVERHEAD_BYTES == CALL_OVERHEAD_BYTES
    service = make_service(max_outputs_bytes=BOUND_OF_KEPT)
    func = service.add_func()
    outcome = Outcome(output=b"x" * OUTPUT_BYTES)
    ended = [end_one(service, func, outcome) for _ in range(KEPT)]
    assert [call.id for call in service.calls.list_calls("hello")] == ended
    ended.append(end_one(service, func, Outcome()))
    with pytest.raises(OutputRotated) as caught:
        service.calls.get_call("hello", ended[0])
    assert caught.value.message == (
        f'The output of the call "{ended[0]}" was rotated away by newer ones.'
    )
    assert [call.id for call in service.calls.list_calls("hello")] == ended[1:]
    assert service.calls.get_counts("hello") == counts(finished=KEPT + 1)
    service.calls.delete_call(ended[0])
    assert_not_found(service, "other", ended[0])


def test_outputs_are_rotated_in_the_order_of_their_ends(make_service):
    service = make_service(max_outputs_bytes=BOUND_OF_KEPT)
    func = service.add_func()
    calls = [service.call(func) for _ in range(12)]
    for call_id in calls:
        service.run(call_id)
    ended = calls[::2] + calls[1::2]
    for call_id in ended:
        service.end(call_id, Outcome(output=b"x" * OUTPUT_BYTES))
    kept = {call.id for call in service.calls.list_calls("hello")}
    assert kept == set(ended[-KEPT:])


def test_outputs_of_other_funcs_and_answered_ones_rotate_nothing(make_service):
    service = make_service(max_outputs_bytes=BOUND_OF_KEPT)
    func, other = service.add_func(), service.add_func("other")
    outcome = Outcome(output=b"x" * OUTPUT_BYTES)
    first = end_one(service, func, outcome)
    for _ in range(3 * KEPT):
        service.calls.delete_call(end_one(service, func, outcome))
        end_one(service, other, outcome)
    assert service.calls.get_call("hello", first).output == outcome.output


def test_output_over_the_whole_bound_goes_with_all_the_others(make_service):
    service = make_service(max_outputs_bytes=BOUND_OF_KEPT)
    func = service.add_func()
    ended = [end_one(service, func, Outcome(output=b"x" * size)) for size in (1, BOUND_OF_KEPT)]
    for call_id in ended:
        with pytest.raises(OutputRotated):
            service.calls.get_call("hello", call_id)
    last = end_one(service, func, Outcome(output=b"x"))
    assert service.calls.get_call("hello", last).output == b"x"


@pytest.mark.parametrize("number", [0, 1, 199, 200, 201, 401])
def test_calls_are_listed_in_the_order_in_which_they_came(service, number):
    func = service.add_func()
    other = service.add_func("other")
    service.call(other)
    made = [service.call(func) for _ in range(number)]
    assert [call.id for call in service.calls.list_calls("hello")] == made


@pytest.mark.parametrize(
    "message", ['a "b" \\ / c', "é\u2028\U0001f600\ufffd", "\t\n\x01\x7f", "{}"]
)
def test_message_of_a_listed_call_is_as_it_was(service, message):
    call_id = service.call(service.add_func())
    service.end(call_id, replace(FAILED, message=message))
    assert [call.message for call in service.calls.list_calls("hello")] == [message]


def test_listed_calls_say_how_they_are_without_their_outputs(service):
    func = service.add_func()
    ids = [service.call(func, b"payload") for _ in range(4)]
    service.end(ids[0], Outcome(output=b"out"))
    service.end(ids[1], FAILED)
    service.run(ids[2])
    found = list(service.calls.list_calls("hello"))
    created = [service.calls.get_call("hello", call_id).created_ms for call_id in ids]
    assert found == [
        CallState(ids[0], "hello", created[0], CallStatus.FINISHED),
        CallState(ids[1], "hello", created[1], CallStatus.FAILED, message=FAILED.message),
        CallState(ids[2], "hello", created[2], CallStatus.RUNNING),
        CallState(ids[3], "hello", created[3], CallStatus.PENDING),
    ]
    assert list(service.calls.list_calls("nope")) == []


@pytest.mark.parametrize("is_running", [False, True])
def test_remove_func_with_a_call_to_end_conflicts(service, is_running):
    func = service.add_func()
    ended = end_one(service, func, Outcome(output=b"out"))
    call_id = service.call(func)
    if is_running:
        service.run(call_id)
    with pytest.raises(FuncBusy) as caught:
        service.funcs.delete_func("hello")
    assert caught.value.message == (
        'The function "hello" can\'t be removed while it has pending or running calls.'
    )
    assert service.calls.get_call("hello", ended).output == b"out"
    service.end(call_id)
    service.funcs.delete_func("hello")


def test_removed_func_takes_its_calls_and_events_along(make_service):
    service = make_service(max_outputs_bytes=BOUND_OF_KEPT)
    func, other = service.add_func(), service.add_func("other")
    theirs = end_one(service, other, Outcome(output=b"theirs"))
    ended = [end_one(service, func, Outcome(output=b"x" * OUTPUT_BYTES)) for _ in range(KEPT + 1)]
    service.funcs.delete_func("hello")
    func = service.add_func()
    for call_id in ended:
        assert_not_found(service, "hello", call_id)
    assert service.calls.get_counts("hello") == counts()
    assert list(service.calls.list_calls("hello")) == service.events_of(func) == []
    assert service.calls.get_call("other", theirs).output == b"theirs"
    service.end(service.call(func))
    assert service.calls.get_counts("hello") == counts(finished=1)
    assert service.event_names(func) == ["CALL", "PENDING", "RUNNING", "FINISHED"]


def test_everybody_who_waits_for_a_call_is_woken_at_once(service):
    func = service.add_func()
    call_id, other_id = service.call(func), service.call(func)
    with ThreadPoolExecutor(21) as clients:
        waits = [clients.submit(wait, service, call_id) for _ in range(20)]
        other = clients.submit(wait, service, other_id)
        time.sleep(0.1)
        assert not any(wait.done() for wait in waits)
        service.end(call_id)
        for each in waits:
            each.result(PATIENCE_SECONDS)
        assert not other.done()
        service.end(other_id)
        other.result(PATIENCE_SECONDS)


def test_wait_for_a_call_that_has_ended_is_over_at_once(service):
    func = service.add_func()
    call_id = end_one(service, func, Outcome())
    begin = time.monotonic()
    for _ in range(2):
        assert wait(service, call_id) - begin < PATIENCE_SECONDS


@pytest.mark.parametrize("seconds", [-1, 0, 0.0001, 0.2, 1.2])
def test_wait_for_a_call_is_over_after_its_time(service, seconds):
    func = service.add_func()
    call_id = service.call(func)
    begin = time.monotonic()
    ended = wait(service, call_id, seconds)
    assert seconds - 0.05 <= ended - begin < PATIENCE_SECONDS


def test_many_clients_at_once_are_all_accepted_with_numbers_of_their_own(service):
    func = service.add_func()
    barrier = threading.Barrier(8)

    def create(_: int) -> list[str]:
        barrier.wait(PATIENCE_SECONDS)
        return [service.call(func) for _ in range(25)]

    with ThreadPoolExecutor(8) as clients:
        made = [call_id for ids in clients.map(create, range(8)) for call_id in ids]
    listed = [call.id for call in service.calls.list_calls("hello")]
    assert sorted(listed) == sorted(made)
    assert service.calls.get_counts("hello") == counts(pending=200)
