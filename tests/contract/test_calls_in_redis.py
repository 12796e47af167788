"""What Redis holds of calls, and what happens to calls when Redis fails."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from dev import servers
from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.model import Outcome
from funcsvc.model.errors import (
    CallNotFound,
    FuncNotFound,
    OutputRotated,
    StoreUnavailable,
    TooManyPending,
)
from tests.contract.calls import (
    BOUND_OF_KEPT,
    EVERY_BYTE,
    FAILED,
    KEPT,
    NOBODY,
    OUTPUT_BYTES,
    RealService,
    assert_not_found,
    counts,
    end_one,
    new_call,
    wait,
)
from tests.contract.stores import STORE_SECONDS, new_func
from tests.contract.whole_state import CALL_OVERHEAD_BYTES, MAX_ROTATED


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
        *("queue", "ready", "wake", "stored_bytes"),
    }
    real.end(call_id)
    real.calls.delete_call(call_id)
    real.queue.wait_for_pending(1)
    state = whole_state()
    assert state.kinds == {"func", "funcs", "counts", "logs", "arrivals", "stored_bytes"}
    assert state.get("stored_bytes") == b"0"
    assert state.get("counts:hello")["output_bytes"] == b"0"
    real.funcs.delete_func("hello")
    assert set(only_func.keys) == {"func:hello", "funcs"}
    assert set(whole_state().keys) == {"arrivals", "stored_bytes"}


def test_removed_func_leaves_no_key_of_its_own(make_real, whole_state):
    real = make_real(max_outputs_bytes=BOUND_OF_KEPT)
    func = real.add_func()
    for _ in range(2 * KEPT):
        end_one(real, func, Outcome(output=b"x" * OUTPUT_BYTES))
    assert {"rotated", "outputs", "logs", "done"} <= whole_state().kinds
    kept = [call.id for call in real.calls.list_calls("hello")]
    real.funcs.delete_func("hello")
    state = whole_state()
    assert state.kinds <= {"arrivals", "stored_bytes", "wake", "done"}
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
        *("outputs", "done", "wake", "stored_bytes"),
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
    real.calls.wait_for_end(answered, 1)
    real.calls.wait_for_end(ended, 1)
    assert set(whole_state().below("done")) == {answered, ended}
    real.calls.delete_call(answered)
    assert set(whole_state().below("done")) == {ended}
    assert 0 < redis_client.pttl(real.keys.done(ended)) <= 10_000


def test_wait_in_which_everybody_is_woken_leaves_the_mark_to_expire(real, redis_client):
    func = real.add_func()
    call_id = real.call(func)
    with ThreadPoolExecutor(8) as clients:
        waits = [clients.submit(wait, real, call_id) for _ in range(8)]
        servers.wait_until(
            lambda: int(redis_client.info("clients")["blocked_clients"]) >= 8, "all of them wait"
        )
        real.end(call_id)
        for each in waits:
            each.result()
    assert 0 < redis_client.pttl(real.keys.done(call_id)) <= 10_000


def test_wait_longer_than_a_read_may_block_is_over_sooner(make_real):
    real = make_real(limits={"max_block_seconds": 0.3})
    func = real.add_func()
    call_id = real.call(func)
    real.run(call_id)
    begin = time.monotonic()
    real.calls.wait_for_end(call_id, 600)
    real.events.wait_for_events("hello", real.events.get_last_position("hello"), 600)
    real.queue.wait_for_pending(600)  # returns for the accepted call
    real.queue.wait_for_pending(600)
    assert 0.8 < time.monotonic() - begin < PATIENCE_SECONDS


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
    """The stores behind the proxy, connected and with scripts loaded. The func hello exists."""
    service = make_real(proxy.url, seconds=STORE_SECONDS)
    func = service.add_func("warm-up")
    end_one(service, func, Outcome())
    assert service.queue.adopt_call("warm-up") is None
    service.funcs.delete_func("warm-up")
    real.add_func()
    return service


@pytest.fixture
def call(real, fragile):
    """A valid call of hello."""
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
    assert proxy.done.wait(PATIENCE_SECONDS)
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
    gone = make_real(proxy.url, seconds=STORE_SECONDS)
    proxy.close()
    for use in (
        lambda: gone.calls.create_call(call),
        lambda: gone.calls.get_call("hello", call.id),
        lambda: gone.calls.get_func_name(call.id),
        lambda: gone.calls.wait_for_end(call.id, 1),
        lambda: gone.calls.delete_call(call.id),
        lambda: gone.calls.get_counts("hello"),
        lambda: list(gone.calls.list_calls("hello")),
        lambda: gone.events.get_last_position("hello"),
        lambda: list(gone.events.list_events("hello")),
        lambda: gone.events.wait_for_events("hello", "0-0", 1),
        lambda: gone.queue.reserve_call("token"),
        lambda: gone.queue.wait_for_pending(1),
        lambda: gone.queue.renew_leases([]),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            use()
        assert (
            caught.value.message == "Redis can't be used: it can't be reached: connection refused."
        )


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
        assert real.queue.get_live_workers() == {real.queue.worker: "here"}
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
