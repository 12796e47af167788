"""The queue of calls over the real Redis: order, limits, holds, and what wakes workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.machine.waiting import NEVER_SECONDS, PATIENCE_SECONDS, wait_until
from funcsvc.model import CallStatus
from funcsvc.worker.slots import Slots
from tests.contract.calls import (
    ENDED,
    EVERY_BYTE,
    LATE,
    counts,
    reserve_all,
    status_of,
)
from tests.contract.whole_state import MAX_WAKES


@pytest.mark.parametrize(
    "payload", [b"", b"\0", EVERY_BYTE, b"*1\r\n$4\r\nPING\r\n", "ä☃😀".encode(), b"p" * 1048576]
)
@pytest.mark.parametrize("environment", [[], [b"A="], [b"A=1", b"HTTP_X=\xff\n\r", b"B==\t"]])
def test_reserved_call_is_as_it_was_accepted(real, func, payload, environment):
    call_id = real.call(func, payload, environment=environment)
    call = real.queue.reserve_call("token")
    assert (call.id, call.token, call.attempt) == (call_id, "token", 1)
    assert (call.payload, list(call.environment)) == (payload, environment)
    assert call.definition == real.funcs.get_func("hello")


def test_nothing_is_reserved_where_nothing_is_pending(real, func, whole_state):
    before = whole_state()
    assert real.queue.reserve_call("token") is None
    assert whole_state() == before
    real.end(real.call(func))
    assert real.queue.reserve_call("token") is None


def test_calls_of_all_funcs_are_reserved_in_the_order_in_which_they_came(real):
    funcs = [real.add_func(name) for name in ("c", "a", "b")]
    made = [real.call(funcs[number]) for number in (0, 1, 1, 2, 0, 2, 2, 1, 0, 0, 1)]
    assert reserve_all(real) == made


def test_order_of_arrival_holds_beyond_any_number_of_digits(real, func, redis_client):
    arrivals = f"{real.keys.prefix}arrivals"
    made = []
    for number in (8, 98, 10**15, 2**53 - 4):
        redis_client.set(arrivals, number)
        made += [real.call(func), real.call(func)]
    assert reserve_all(real) == made


def test_func_at_its_limit_holds_up_no_other_and_goes_on_when_one_ends(real, func, whole_state):
    other = real.add_func("other")
    mine = [real.call(func, max_running=2) for _ in range(4)]
    theirs = [real.call(other) for _ in range(2)]
    first = real.reserve()
    assert [first.id, *reserve_all(real)] == [mine[0], mine[1], *theirs]
    assert whole_state().get("ready") == {}
    real.queue.end_call(first.token, ENDED)
    assert set(whole_state().get("ready")) == {"hello"}
    assert reserve_all(real) == [mine[2]]
    later = real.call(other)
    assert reserve_all(real) == [later]


@pytest.mark.parametrize(
    ("limits", "reserved"),
    [([1, 1, 1, 1], 1), ([1, 1, 1, 3], 3), ([3, 3, 3, 1], 1), ([1, 1, 1, 0], 4), ([0, 0, 0, 2], 2)],
)
def test_limit_is_the_one_of_the_last_call_that_came(real, func, whole_state, limits, reserved):
    made = [real.call(func, max_running=limit) for limit in limits]
    assert reserve_all(real) == made[:reserved]
    whole_state()


def test_limit_below_what_runs_already_waits_until_enough_have_ended(real, func):
    for _ in range(3):
        real.call(func)
    running = [real.reserve() for _ in range(3)]
    last = real.call(func, max_running=1)
    for call in running:
        assert reserve_all(real) == []
        real.queue.end_call(call.token, ENDED)
    assert reserve_all(real) == [last]


def test_reserve_asked_again_with_its_token_gives_the_same_call(real, func, whole_state):
    real.call(func, EVERY_BYTE, environment=[b"A=1"])
    real.call(func)
    first = real.queue.reserve_call("token")
    before = whole_state()
    assert real.queue.reserve_call("token") == first
    after = whole_state()
    assert after.below("call") == before.below("call")
    assert real.event_names(func).count("RUNNING") == 1
    second = real.queue.reserve_call("other")
    assert second.id != first.id
    real.queue.end_call("token", ENDED)
    assert real.queue.reserve_call("token") is None


def test_released_call_comes_after_what_is_ready_and_its_attempts_are_counted(
    real, func, whole_state
):
    made = [real.call(func) for _ in range(3)]
    number = whole_state().below("call")[made[0]]["number"]
    for attempt in (1, 2, 3):
        call = real.reserve()
        assert (call.id, call.attempt) == (made[0], attempt)
        assert real.queue.release_call(call.token)
        assert not real.queue.release_call(call.token)
        assert status_of(real, made[0]) is CallStatus.PENDING
        assert whole_state().below("call")[made[0]]["number"] == number
        others = [real.reserve() for _ in range(2)]
        assert [other.id for other in others] == made[1:]
        for other in others:
            real.queue.release_call(other.token)
            time.sleep(0.002)  # so that they are put back in different milliseconds
    assert reserve_all(real) == made
    assert real.event_names(func, made[0]) == [
        *("CALL", "PENDING", "RUNNING"),
        *("PENDING", "RUNNING") * 3,
    ]


def test_call_that_can_never_begin_takes_no_slot_from_others_while_it_is_delayed(
    make_real, redis_client
):
    real = make_real(first_delay_ms=3_600_000)
    bad, good = real.add_func("bad"), real.add_func("good")
    stuck = [real.call(bad) for _ in range(3)]
    for _ in stuck:
        real.queue.release_call(real.reserve().token)
    later = [real.call(good), real.call(bad)]
    assert reserve_all(real) == later
    assert real.calls.get_counts("bad") == counts(pending=3, running=1)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (5000, 60)]
)
def test_delay_of_a_call_that_is_put_back_doubles_up_to_a_minute(
    make_real, redis_client, whole_state, attempts, seconds
):
    real = make_real(first_delay_ms=1000)
    call_id = real.call(real.add_func())
    redis_client.hset(real.keys.call(call_id), "attempt", attempts - 1)
    call = real.reserve()
    before = real.client.time_ms()
    real.queue.release_call(call.token)
    due = whole_state().get("delayed")[call_id]
    assert before <= due - seconds * 1000 <= real.client.time_ms()


def test_call_whose_delay_is_over_goes_behind_what_is_ready(make_real, redis_client, whole_state):
    real = make_real(first_delay_ms=3_600_000)
    func, other = real.add_func(), real.add_func("other")
    first = real.call(func)
    real.queue.release_call(real.reserve().token)
    ready = [real.call(other), real.call(func)]
    redis_client.zadd(f"{real.keys.prefix}delayed", {first: 1})
    assert reserve_all(real) == [*ready, first]
    assert whole_state().get("delayed") == {}


def test_many_calls_whose_delay_is_over_come_back_in_bounded_steps(real, func, redis_client):
    made = [real.call(func) for _ in range(250)]
    held = [real.reserve() for _ in made]
    for call in held:
        real.queue.release_call(call.token)
    real.reserve()
    assert redis_client.zcard(f"{real.keys.prefix}delayed") == 150
    assert len(reserve_all(real)) == 249


def test_func_with_its_share_of_slots_comes_after_the_others(real, func):
    other, third = real.add_func("other"), real.add_func("third")
    mine = [real.call(func) for _ in range(3)]
    theirs = [real.call(other), real.call(third)]
    reserve = real.queue.reserve_call
    assert reserve("1").id == mine[0]
    assert reserve("2", ["hello"]).id == theirs[0]
    assert reserve("3", ["hello", "other"]).id == theirs[1]
    assert reserve("4", ["hello", "other", "third"]).id == mine[1]
    assert reserve("5", ["gone", "hello"]).id == mine[2]


@pytest.mark.parametrize("workers", [1, 10])
def test_func_that_floods_workers_of_one_slot_lets_another_run_at_once(real, func, workers):
    for _ in range(workers + 2):
        real.call(func)
    theirs = real.call(real.add_func("other"))
    began, slots = [], [Slots(1, 50) for _ in range(workers)]
    for number, one in enumerate([*slots, slots[0]]):
        call = real.queue.reserve_call(str(number), one.with_share())
        began.append(call.id)
        one.acquire(0)
        one.begin(call.func_name)
        one.end(call.func_name)
    assert began.index(theirs) == workers


def test_released_call_that_was_begun_holds_no_container(real, func, whole_state):
    call_id = real.call(func, EVERY_BYTE)
    call, instance = real.begin()
    assert real.queue.get_containers_in_use([instance]) == {instance}
    real.queue.release_call(call.token)
    assert real.queue.get_containers_in_use([instance]) == set()
    assert whole_state().kinds.isdisjoint({"owners", "instances", "running"})
    again = real.reserve()
    assert (again.id, again.payload, again.attempt) == (call_id, EVERY_BYTE, 2)


def test_begun_call_names_its_container_and_begun_again_the_last(real, func, whole_state):
    call_id = real.call(func)
    call = real.reserve()
    for instance in ("one", "one", "two"):
        assert real.queue.begin_call(call.token, instance, f"nonce-{instance}")
        assert real.queue.get_containers_in_use(["one", "two", "three"]) == {instance}
    stored = whole_state().below("call")[call_id]
    assert (stored["engine"], stored["instance"], stored["nonce"]) == (
        b"here",
        b"two",
        b"nonce-two",
    )
    assert real.queue.end_call(call.token, ENDED)
    assert real.queue.get_containers_in_use(["one", "two"]) == set()
    assert real.queue.get_containers_in_use([]) == set()


def test_call_ends_once(real, func, whole_state):
    call_id = real.call(func)
    call = real.reserve()
    assert real.queue.end_call(call.token, ENDED)
    before = whole_state()
    assert not real.queue.end_call(call.token, LATE)
    assert whole_state() == before
    assert real.calls.get_call("hello", call_id).output == b"out"


CHANGES = {
    "begin": lambda queue, token: queue.begin_call(token, "late", "late"),
    "end": lambda queue, token: queue.end_call(token, LATE),
    "release": lambda queue, token: queue.release_call(token),
    "renew": lambda queue, token: not queue.renew_leases([token]),
    "leave": lambda queue, token: queue.leave([token]) or False,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("now", ["unknown", "ended", "released", "reserved", "adopted"])
def test_late_owner_changes_nothing(real, func, whole_state, change, now):
    real.call(func)
    late = real.new_queue()
    late.renew_leases([])
    call, _ = real.begin(late)
    token = call.token
    if now == "unknown":
        token = "unknown"
    elif now == "ended":
        real.queue.end_call(token, ENDED)
    elif now == "adopted":
        real.age(token, 1, late)
        assert real.queue.adopt_call("adopted").id == call.id
    else:
        real.queue.release_call(token)
    if now == "reserved":
        assert real.queue.reserve_call("again").id == call.id
    before = whole_state()
    assert not change(late, token)
    after = whole_state()
    workers = {"workers": None}  # workers can come, renew their leases and leave
    assert {**after.keys, **workers} == {**before.keys, **workers}


def test_service_has_one_name_for_ever(make_real, whole_state):
    services = [make_real() for _ in range(8)]
    with ThreadPoolExecutor(8) as workers:
        names = set(workers.map(lambda one: one.queue.get_service(), services))
    assert len(names) == 1
    assert whole_state().get("service").decode() in names


def test_tokens_are_never_the_same(real):
    queues = [real.new_queue() for _ in range(4)]
    with ThreadPoolExecutor(4) as workers:
        made = list(workers.map(lambda number: queues[number % 4].new_token(), range(400)))
    assert len(set(made)) == 400


def assert_is_woken(queue) -> None:
    """Wait for a pending call, for as long as only a wake can end."""
    begin = time.monotonic()
    queue.wait_for_pending(NEVER_SECONDS)
    assert time.monotonic() - begin < PATIENCE_SECONDS


def test_every_call_that_comes_wakes_an_idle_worker(real, func, redis_client):
    before = redis_client.info("clients")["blocked_clients"]

    def wait_until_blocked(number: int) -> None:
        wait_until(
            lambda: redis_client.info("clients")["blocked_clients"] == before + number,
            f"{number} workers wait",
        )

    with ThreadPoolExecutor(5) as workers:
        waits = [workers.submit(assert_is_woken, real.new_queue()) for _ in range(5)]
        wait_until_blocked(5)
        for _ in range(4):
            real.call(func)
        wait_until_blocked(1)
        wait_until(lambda: sum(wait.done() for wait in waits) == 4, "four are woken")
        real.call(func)
        for each in waits:
            each.result()


def test_call_that_came_before_a_worker_waits_wakes_it(real, func):
    real.call(func)
    assert_is_woken(real.queue)
    begin = time.monotonic()
    real.queue.wait_for_pending(0.2)
    assert time.monotonic() - begin >= 0.15


def test_what_wakes_workers_is_bounded_whatever_comes(real, func, redis_client):
    for _ in range(3 * MAX_WAKES):
        real.call(func)
    assert redis_client.llen(real.keys.wake) == MAX_WAKES


READY_AGAIN = {
    "end": lambda real, call: real.queue.end_call(call.token, ENDED),
    "release": lambda real, call: real.queue.release_call(call.token),
    "adopt": lambda real, call: real.age(call.token, 1) or real.new_queue().adopt_call("other"),
}


@pytest.mark.parametrize("change", READY_AGAIN.values(), ids=READY_AGAIN)
def test_call_that_may_run_by_now_wakes_a_worker(real, func, redis_client, change):
    for _ in range(2):
        real.call(func, max_running=1)
    call = real.reserve()
    redis_client.delete(real.keys.wake)
    change(real, call)
    assert_is_woken(real.queue)
    assert real.queue.reserve_call("token") is not None


def test_limit_that_was_raised_wakes_one_worker_after_the_other(real, func, redis_client):
    for _ in range(4):
        real.call(func, max_running=1)
    real.reserve()
    redis_client.delete(real.keys.wake)
    real.call(func, max_running=0)
    for _ in range(4):  # each has one slot only
        assert_is_woken(real.queue)
        real.reserve()
    assert redis_client.llen(real.keys.wake) == 0
