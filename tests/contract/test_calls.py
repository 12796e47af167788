"""One suite for the fake store of calls and the real one; what only Redis can do comes last."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from funcsvc.errors import (
    CallNotFound,
    FuncBusy,
    FuncNotFound,
    OutputRotated,
    StoreUnavailable,
    TooManyPending,
)
from funcsvc.models import CallCounts, CallState, CallStatus, Failure, Outcome
from tests import servers
from tests.contract.calls import RealService, new_call
from tests.contract.stores import PATIENCE_SECONDS, new_func
from tests.contract.whole_state import CALL_OVERHEAD_BYTES, MAX_ROTATED
from tests.fake_calls import CALL_OVERHEAD_BYTES as FAKE_OVERHEAD_BYTES

NOBODY = "00000000-0000-4000-8000-000000000000"
EVERY_BYTE = bytes(range(256))
OUTPUT_BYTES = 1000
KEPT = 3
BOUND_OF_KEPT = KEPT * (OUTPUT_BYTES + CALL_OVERHEAD_BYTES)
FAILED = Outcome(
    output=b"half", failure=Failure.TIMED_OUT, message="It took longer than 1 second: ä☃."
)


def counts(**numbers: int) -> CallCounts:
    """Return counts with these numbers, the others 0."""
    all_numbers = {"pending": 0, "running": 0, "finished": 0, "failed": 0, **numbers}
    return CallCounts(total=sum(all_numbers.values()), **all_numbers)


def end_one(service, func, outcome: Outcome) -> str:
    """Have a call accepted, and end it."""
    call_id = service.call(func)
    service.end(call_id, outcome)
    return call_id


def assert_not_found(service, func_name: str, call_id: str) -> None:
    with pytest.raises(CallNotFound) as caught:
        service.calls.get_call(func_name, call_id)
    assert caught.value.message == f'There is no call "{call_id}".'


def wait_until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
        f"{max_pending} calls of this function are pending, which is the most that may be: "
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


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 1001])
def test_calls_are_listed_in_the_order_in_which_they_came(service, number):
    func = service.add_func()
    other = service.add_func("other")
    service.call(other)
    made = [service.call(func) for _ in range(number)]
    assert [call.id for call in service.calls.list_calls("hello")] == made


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
        'The function "hello" can\'t be removed: calls of it are pending or running.'
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


def wait(service, call_id: str, seconds: float = 5) -> float:
    """Wait for a call; return at what time it was over."""
    service.calls.wait_for_call(call_id, seconds)
    return time.monotonic()


def test_everybody_who_waits_for_a_call_is_woken_at_once(service):
    func = service.add_func()
    call_id, other_id = service.call(func), service.call(func)
    with ThreadPoolExecutor(21) as clients:
        waits = [clients.submit(wait, service, call_id) for _ in range(20)]
        other = clients.submit(wait, service, other_id, 0.8)
        time.sleep(0.3)
        assert not any(wait.done() for wait in waits)
        service.end(call_id)
        ended = time.monotonic()
        assert max(wait.result() for wait in waits) < ended + 0.3
        assert other.result() > ended + 0.3


def test_wait_for_a_call_that_has_ended_is_over_at_once(service):
    func = service.add_func()
    call_id = end_one(service, func, Outcome())
    begin = time.monotonic()
    assert wait(service, call_id) - begin < 0.3
    assert wait(service, call_id) - begin < 0.6


@pytest.mark.parametrize("seconds", [-1, 0, 0.0001, 0.2, 1.2])
def test_wait_for_a_call_is_over_after_its_time(service, seconds):
    func = service.add_func()
    call_id = service.call(func)
    begin = time.monotonic()
    ended = wait(service, call_id, seconds)
    assert seconds - 0.05 <= ended - begin < max(seconds, 0) + 0.4


def test_redis_holds_nothing_but_what_a_call_needs(real, whole_state):
    func = real.add_func()
    only_func = whole_state()
    call_id = real.call(func, EVERY_BYTE, environment=[b"A=1", b"B=\xff"], max_running=7)
    state = whole_state()
    call = state.below("call")[call_id]
    assert (call["payload"], call["environment"]) == (EVERY_BYTE, b"A=1\0B=\xff")
    assert call["attempt"] == b"0"
    assert state.get("counts:hello")["limit"] == b"7"
    assert state.kinds == {
        *("func", "funcs", "call", "calls", "counts", "logs", "arrivals"),
        *("queue", "ready", "wake"),
    }
    real.end(call_id)
    real.calls.delete_call(call_id)
    real.queue.wait_for_call(1)
    state = whole_state()
    assert state.kinds == {"func", "funcs", "counts", "logs", "arrivals"}
    assert state.get("counts:hello")["output_bytes"] == b"0"
    real.funcs.delete_func("hello")
    assert set(only_func.keys) == {"func:hello", "funcs"}
    assert set(whole_state().keys) == {"arrivals"}


def test_removed_func_leaves_no_key_of_its_own(make_real, whole_state):
    real = make_real(max_outputs_bytes=BOUND_OF_KEPT)
    func = real.add_func()
    for _ in range(2 * KEPT):
        end_one(real, func, Outcome(output=b"x" * OUTPUT_BYTES))
    assert {"rotated", "outputs", "logs", "done"} <= whole_state().kinds
    kept = [call.id for call in real.calls.list_calls("hello")]
    real.funcs.delete_func("hello")
    state = whole_state()
    assert state.kinds <= {"arrivals", "wake", "done"}
    assert not set(state.below("done")) & set(kept)


def test_ended_call_keeps_no_payload(real, whole_state):
    func = real.add_func()
    call_id = real.call(func, b"p" * 1000, environment=[b"A=1"])
    real.end(call_id, FAILED)
    state = whole_state()
    assert set(state.below("call")[call_id]) - {"waited"} == {
        *("func", "number", "created_ms", "status", "attempt", "output", "failure", "message")
    }
    assert state.kinds == {
        *("func", "funcs", "call", "calls", "counts", "logs", "arrivals"),
        *("outputs", "done", "wake"),
    }


def test_refused_call_writes_nothing(make_real, whole_state):
    real = make_real(max_pending=1)
    func = real.add_func()
    real.call(func)
    before = whole_state()
    for call, error in (
        (new_call(func), TooManyPending),
        (new_call(func, func_uuid=NOBODY), FuncNotFound),
        (new_call(func, func_name="nope"), FuncNotFound),
    ):
        with pytest.raises(error):
            real.calls.create_call(call)
    assert whole_state() == before


def test_what_is_known_of_rotated_calls_is_bounded(make_real, redis_client, whole_state):
    real = make_real(max_outputs_bytes=0)
    func = real.add_func()
    rotated = real.keys.rotated("hello")
    redis_client.zadd(rotated, {f"older-{n}": n - MAX_ROTATED for n in range(MAX_ROTATED)})
    last = end_one(real, func, Outcome())
    with pytest.raises(OutputRotated):
        real.calls.get_call("hello", last)
    with pytest.raises(CallNotFound):
        real.calls.get_call("hello", "older-0")
    with pytest.raises(OutputRotated):
        real.calls.get_call("hello", "older-1")
    assert len(whole_state().get("rotated:hello")) == MAX_ROTATED


def test_what_wakes_who_waits_is_removed_with_the_call_or_expires(real, redis_client, whole_state):
    func = real.add_func()
    answered, ended = (end_one(real, func, Outcome()) for _ in range(2))
    real.calls.wait_for_call(answered, 1)
    real.calls.wait_for_call(ended, 1)
    assert set(whole_state().below("done")) == {answered, ended}
    real.calls.delete_call(answered)
    assert set(whole_state().below("done")) == {ended}
    assert 0 < redis_client.pttl(real.keys.done(ended)) <= 10_000


def test_wait_in_which_everybody_is_woken_leaves_the_mark_to_expire(real, redis_client):
    func = real.add_func()
    call_id = real.call(func)
    with ThreadPoolExecutor(8) as clients:
        waits = [clients.submit(wait, real, call_id) for _ in range(8)]
        wait_until(lambda: int(redis_client.info("clients")["blocked_clients"]) >= 8)
        real.end(call_id)
        for each in waits:
            each.result()
    assert 0 < redis_client.pttl(real.keys.done(call_id)) <= 10_000


def test_wait_longer_than_a_read_may_block_is_over_sooner(real, monkeypatch):
    monkeypatch.setattr("funcsvc.store.blocking.MAX_BLOCK_SECONDS", 0.3)
    func = real.add_func()
    call_id = real.call(func)
    real.run(call_id)
    begin = time.monotonic()
    real.calls.wait_for_call(call_id, 600)
    real.events.wait_for_events("hello", real.events.get_last_position("hello"), 600)
    real.queue.wait_for_call(600)  # for the call that was accepted
    real.queue.wait_for_call(600)
    assert 0.8 < time.monotonic() - begin < 3


def test_ended_call_counts_for_about_as_much_memory_as_it_takes(real, redis_client):
    func = real.add_func()
    number, size = 200, 4000
    empty = redis_client.memory_usage(real.keys.calls("hello")) or 0
    ended = [end_one(real, func, Outcome(output=b"x" * size)) for _ in range(number)]
    keys = [
        real.keys.calls("hello"),
        real.keys.prefix + "outputs:hello",
        *map(real.keys.call, ended),
    ]
    taken = sum(redis_client.memory_usage(key, samples=0) for key in keys) - empty
    counted = number * (size + CALL_OVERHEAD_BYTES)
    assert 0.7 * counted < taken < 1.05 * counted


@pytest.fixture
def fragile(make_real, real, proxy) -> RealService:
    """The stores behind the proxy, connected and with their scripts known; hello is there."""
    service = make_real(proxy.url, seconds=PATIENCE_SECONDS)
    func = service.add_func("warm-up")
    end_one(service, func, Outcome())
    assert service.queue.adopt_call("warm-up") is None
    service.funcs.delete_func("warm-up")
    real.add_func()
    return service


@pytest.fixture
def call(real, fragile):
    """A call of hello that may be accepted."""
    func, _ = new_func()
    uuid = real.funcs.get_func("hello").partition('"UUID": "')[2].partition('"')[0]
    return new_call(replace(func, uuid=uuid), payload=EVERY_BYTE)


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_call_whose_answer_is_lost_is_accepted_exactly_once(
    fragile, real, proxy, call, whole_state, fault
):
    proxy.fault = fault
    fragile.calls.create_call(call)
    state = whole_state()
    assert set(state.below("call")) == {call.id}
    assert real.calls.get_counts("hello") == counts(pending=1)
    assert [event.name for event in real.events.list_events("hello")] == ["CALL", "PENDING"]


def test_call_that_reaches_redis_after_its_client_gave_up_is_not_accepted(
    fragile, real, proxy, call, whole_state
):
    before = whole_state()
    proxy.fault = "hold"
    with pytest.raises(StoreUnavailable):
        fragile.calls.create_call(call)
    proxy.release.set()
    assert proxy.done.wait(10)
    assert_not_found(real, "hello", call.id)
    assert whole_state() == before


@pytest.mark.parametrize("fault", ["cut after", "hush after"])
def test_refusal_whose_answer_is_lost_stores_nothing(fragile, proxy, call, whole_state, fault):
    before = whole_state()
    proxy.fault = fault
    with pytest.raises((FuncNotFound, StoreUnavailable)):
        fragile.calls.create_call(replace(call, func_uuid=NOBODY))
    assert whole_state() == before


@pytest.mark.parametrize("fault", ["cut after", "cut before"])
def test_removal_of_a_call_whose_answer_is_lost_is_made(fragile, real, proxy, call, fault):
    real.calls.create_call(call)
    real.end(call.id)
    fragile.calls.delete_call("unknown")
    proxy.fault = fault
    fragile.calls.delete_call(call.id)
    assert_not_found(real, "hello", call.id)


def test_stores_whose_redis_is_gone_are_unavailable(make_real, proxy, call):
    gone = make_real(proxy.url, seconds=PATIENCE_SECONDS)
    proxy.close()
    for use in (
        lambda: gone.calls.create_call(call),
        lambda: gone.calls.get_call("hello", call.id),
        lambda: gone.calls.get_func_name(call.id),
        lambda: gone.calls.wait_for_call(call.id, 1),
        lambda: gone.calls.delete_call(call.id),
        lambda: gone.calls.get_counts("hello"),
        lambda: list(gone.calls.list_calls("hello")),
        lambda: gone.events.get_last_position("hello"),
        lambda: list(gone.events.list_events("hello")),
        lambda: gone.events.wait_for_events("hello", "0-0", 1),
        lambda: gone.queue.reserve_call("token"),
        lambda: gone.queue.wait_for_call(1),
        lambda: gone.queue.renew_leases([]),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert caught.value.message == "Redis can't be used: it can't be reached."


def test_calls_run_and_end_and_go_also_while_the_memory_is_full(redis_prefix):
    with servers.redis_server() as full, full.client() as client:
        real = RealService(full.url, redis_prefix)
        func = real.add_func()
        ids = [real.call(func) for _ in range(4)]
        ended = real.reserve()
        real.queue.end_call(ended.token, Outcome(output=b"out"))
        begun, _ = real.begin()
        reserved = real.reserve()
        client.set("filler", b"x" * 1024 * 1024)
        client.config_set("maxmemory", 1024 * 1024)
        with pytest.raises(StoreUnavailable) as caught:
            real.call(func)
        assert caught.value.message == "Redis can't be used: its memory is full."
        real.calls.delete_call(ids[0])
        assert_not_found(real, "hello", ids[0])
        assert real.queue.renew_leases([begun.token, reserved.token]) == set()
        assert real.queue.get_live_workers() == {real.queue.worker}
        assert real.queue.reserve_call(reserved.token) == reserved
        assert real.queue.begin_call(reserved.token, "instance", "nonce")
        assert real.queue.end_call(reserved.token, Outcome(output=b"out"))
        last = real.reserve()
        assert real.queue.release_call(last.token)
        real.queue.leave([begun.token])
        adopted = real.queue.adopt_call("adopted")
        assert adopted
        assert adopted.id == begun.id
        assert real.queue.end_call("adopted", Outcome())
        assert real.calls.get_counts("hello") == counts(pending=1, finished=3)
        real.close()


def test_many_clients_at_once_are_all_accepted_with_numbers_of_their_own(service):
    func = service.add_func()
    barrier = threading.Barrier(8)

    def create(_: int) -> list[str]:
        barrier.wait(10)
        return [service.call(func) for _ in range(25)]

    with ThreadPoolExecutor(8) as clients:
        made = [call_id for ids in clients.map(create, range(8)) for call_id in ids]
    listed = [call.id for call in service.calls.list_calls("hello")]
    assert sorted(listed) == sorted(made)
    assert service.calls.get_counts("hello") == counts(pending=200)
