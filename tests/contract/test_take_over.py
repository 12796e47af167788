"""Calls whose worker is gone, over the real Redis: leases, adoption and failures."""

from __future__ import annotations

import time

import pytest

from dev.machine.waiting import PATIENCE_SECONDS, wait_until
from funcsvc.model import CallCounts, CallStatus, Failure
from funcsvc.store.queue import ENGINE_GONE
from tests.contract.calls import (
    ENDED,
    EVERY_BYTE,
    LATE,
    reserve_all,
    status_of,
)

GONE_SECONDS = 60


def test_renewed_lease_keeps_a_call(real, func):
    real.call(func)
    call, _ = real.begin()
    real.age(call.token, 1)
    assert real.queue.renew_leases([call.token, "nothing"]) == {"nothing"}
    assert real.new_queue().adopt_call("other") is None


def test_lease_ends_after_its_time(real, func):
    real.call(func)
    call, instance = real.begin()
    real.queue.renew_leases([call.token])
    heir = real.new_queue()
    assert heir.adopt_call("heir") is None
    assert heir.get_live_workers() == {real.queue.worker: "here"}
    begin = time.monotonic()
    real.age(call.token, -0.3)
    wait_until(lambda: heir.get_live_workers() == {}, "the lease has ended")
    assert time.monotonic() - begin > 0.25
    assert heir.adopt_call("heir").container == instance


def test_begun_call_is_adopted_on_its_engine_as_it_was_begun(real, func, whole_state):
    call_id = real.call(func, EVERY_BYTE)
    call, instance = real.begin()
    time.sleep(0.05)
    real.age(call.token, 1)
    heir = real.new_queue()
    adopted = heir.adopt_call("heir")
    assert (adopted.id, adopted.token, adopted.attempt) == (call_id, "heir", 1)
    assert (adopted.container, adopted.nonce) == (instance, "nonce")
    assert adopted.definition == real.funcs.get_func("hello")
    assert 50 <= adopted.running_ms < 1000 * PATIENCE_SECONDS
    whole_state()
    assert heir.get_containers_in_use([instance]) == {instance}
    assert real.new_queue().adopt_call("next") is None
    assert real.queue.renew_leases([call.token]) == {call.token}
    assert not real.queue.end_call(call.token, LATE)
    assert heir.end_call("heir", ENDED)
    assert real.calls.get_call("hello", call_id).output == b"out"
    assert real.event_names(func) == ["CALL", "PENDING", "RUNNING", "FINISHED"]


def test_adopt_asked_again_with_its_token_gives_the_same_call_and_takes_no_other(
    real, func, whole_state
):
    for _ in range(2):
        real.call(func)
        call, _ = real.begin()
        real.age(call.token, 1)
    heir = real.new_queue()
    first = heir.adopt_call("heir")
    again = heir.adopt_call("heir")
    assert (again.id, again.container) == (first.id, first.container)
    whole_state()
    second = heir.adopt_call("heir-2")
    assert second.id != first.id
    assert heir.end_call("heir", ENDED)
    assert heir.end_call("heir-2", ENDED)


def test_call_that_did_not_begin_is_pending_again_from_any_engine(real, func, whole_state):
    made = [real.call(func) for _ in range(2)]
    call = real.reserve()
    real.age(call.token, 1)
    assert real.new_queue("elsewhere").adopt_call("other") is None
    assert status_of(real, made[0]) is CallStatus.PENDING
    assert not real.queue.begin_call(call.token, "late", "late")
    assert not real.queue.end_call(call.token, LATE)
    whole_state()
    assert reserve_all(real) == [made[1], made[0]]
    assert real.event_names(func, made[0]) == ["CALL", "PENDING", "RUNNING", "PENDING", "RUNNING"]


@pytest.mark.parametrize("seconds", [1, GONE_SECONDS - 2])
def test_call_of_another_engine_is_left_alone_for_its_time(real, func, whole_state, seconds):
    real.call(func)
    call, instance = real.begin()
    real.age(call.token, seconds)
    before = whole_state().below("call")
    assert real.new_queue("elsewhere").adopt_call("other") is None
    assert whole_state().below("call") == before
    assert real.new_queue().adopt_call("heir").container == instance


def test_call_whose_engine_is_gone_has_failed_and_says_so(real, func, whole_state):
    call_id = real.call(func)
    call, instance = real.begin()
    real.age(call.token, GONE_SECONDS + 2)
    other = real.new_queue("elsewhere")
    assert other.adopt_call("other") is None
    state = real.calls.get_call("hello", call_id)
    assert (state.status, state.failure) == (CallStatus.FAILED, Failure.FAILED)
    assert state.message == ENGINE_GONE
    assert real.events_of(func)[-1].message == ENGINE_GONE
    assert other.get_containers_in_use([instance]) == set()
    real.calls.wait_for_end(call_id, 1)
    assert not real.queue.end_call(call.token, LATE)
    assert real.new_queue().adopt_call("heir") is None
    whole_state()


def test_call_whose_engine_has_another_worker_waits_for_it(real, func):
    call_id = real.call(func)
    call, _ = real.begin()
    real.age(call.token, GONE_SECONDS + 2)
    neighbour = real.new_queue()
    neighbour.renew_leases([])
    assert real.new_queue("elsewhere").adopt_call("other") is None
    assert status_of(real, call_id) is CallStatus.RUNNING
    assert neighbour.adopt_call("heir").id == call_id


def test_engines_are_told_apart_whatever_is_in_their_names(real, func):
    engines = ["a", "a@b", "b", "[a]", "a-b.c%d"]
    for engine in engines:
        queue = real.new_queue(engine)
        real.call(func)
        call, _ = real.begin(queue)
        real.age(call.token, 1, queue)
    for engine in reversed(engines):
        heir = real.new_queue(engine)
        adopted = heir.adopt_call(f"heir-of-{engine}")
        assert heir.adopt_call(heir.new_token()) is None
        real.calls.get_call("hello", adopted.id)
        assert heir.end_call(adopted.token, ENDED)
    assert real.calls.get_counts("hello") == CallCounts(5, 0, 0, 5, 0)


def test_many_calls_left_by_another_engine_hide_none_of_this_one(real, func, whole_state):
    gone = real.new_queue("gone")
    for number in range(1100):
        real.call(func)
        token = gone.new_token()
        gone.reserve_call(token)
        gone.begin_call(token, f"instance-{number}", "nonce")
        gone.leave([token])
    call_id = real.call(func)
    call, _ = real.begin()
    real.queue.leave([call.token])
    assert real.new_queue().adopt_call("heir").id == call_id


@pytest.mark.parametrize("what", ["put back", "failed"])
def test_request_for_an_expired_call_changes_few_of_a_thousand(real, func, redis_client, what):
    lost, heir = real.new_queue("gone"), real.new_queue()
    for number in range(1000):
        real.call(func)
        lost.reserve_call(str(number))
        if what == "failed":
            lost.begin_call(str(number), f"instance-{number}", "nonce")
    running, left = f"{real.keys.prefix}running", [1000]
    redis_client.zunionstore(running, {running: 0})  # they all expired in 1970
    while left[-1]:
        assert heir.adopt_call(heir.new_token()) is None
        left.append(redis_client.zcard(running))
    assert left == [1000, 800, 600, 400, 200, 0]


def test_calls_of_funcs_that_are_removed_hide_none_of_another(real, func, redis_client):
    for _ in range(300):
        real.call(func)
        real.queue.leave([real.reserve().token])
    call_id = real.call(real.add_func("other"))
    call, _ = real.begin()
    redis_client.delete(real.keys.func("hello"))
    redis_client.zrem(real.keys.funcs, "hello")
    redis_client.zadd(real.keys.removing, {"hello": 1})
    real.queue.leave([call.token])
    assert real.new_queue().adopt_call("heir").id == call_id
    real.queue.finish_removals()


def test_calls_of_a_worker_that_leaves_are_taken_over_at_once(real, func, whole_state):
    made = [real.call(func) for _ in range(3)]
    begun, instance = real.begin()
    unbegun = real.reserve()
    real.queue.renew_leases([begun.token, unbegun.token])
    assert real.queue.get_live_workers() == {real.queue.worker: "here"}
    real.queue.leave([begun.token, unbegun.token, "nothing"])
    heir = real.new_queue()
    assert heir.get_live_workers() == {}
    assert heir.adopt_call("heir").container == instance
    assert heir.adopt_call("next") is None
    assert reserve_all(real, heir) == [made[2], made[1]]
    whole_state()


def test_workers_are_known_while_they_live(real, whole_state):
    here, there = real.new_queue(), real.new_queue("there@all")
    for queue in (here, there):
        queue.renew_leases([])
    assert real.queue.get_live_workers() == {here.worker: "here", there.worker: "there@all"}
    here.leave([])
    assert real.queue.get_live_workers() == {there.worker: "there@all"}
    there.leave([])
    assert whole_state().keys == {}


def test_workers_that_died_long_ago_are_forgotten(real, whole_state):
    for hours in (1, 100):
        old = real.new_queue(lease_seconds=-3600 * hours)
        old.renew_leases([])
    fresh = real.new_queue()
    fresh.renew_leases([])
    fresh.adopt_call("heir")
    assert set(whole_state().get("workers")) == {fresh.member}
