"""The queue of calls over the real Redis: order, holds, leases, take-over, and what is left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from funcsvc.errors import StoreUnavailable
from funcsvc.models import CallCounts, CallStatus, Failure, Outcome
from funcsvc.store.call_queue import ENGINE_GONE
from tests.contract.calls import ENDED, RealService, new_call
from tests.contract.stores import PATIENCE_SECONDS
from tests.contract.whole_state import MAX_WAKES

EVERY_BYTE = bytes(range(256))
GONE_SECONDS = 60
LATE = Outcome(output=b"late")


@pytest.fixture
def func(real):
    """A func named hello."""
    return real.add_func()


def reserve_all(real, queue=None) -> list[str]:
    """Reserve until there is nothing to reserve; return the ids."""
    queue = queue or real.queue
    found = []
    while call := queue.reserve_call(queue.new_token()):
        found.append(call.id)
    return found


def status_of(real, call_id: str, func_name: str = "hello") -> CallStatus:
    return real.calls.get_call(func_name, call_id).status


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


def test_released_call_is_the_next_again_and_its_attempts_are_counted(real, func, whole_state):
    made = [real.call(func) for _ in range(3)]
    number = whole_state().below("call")[made[0]]["number"]
    for attempt in (1, 2, 3):
        call = real.reserve()
        assert (call.id, call.attempt) == (made[0], attempt)
        assert real.queue.release_call(call.token)
        assert not real.queue.release_call(call.token)
        assert status_of(real, made[0]) is CallStatus.PENDING
        assert whole_state().below("call")[made[0]]["number"] == number
    assert reserve_all(real) == made
    assert real.event_names(func, made[0]) == [
        *("CALL", "PENDING", "RUNNING"),
        *("PENDING", "RUNNING") * 3,
    ]


def test_released_call_that_was_begun_holds_no_container(real, func, whole_state):
    call_id = real.call(func, EVERY_BYTE)
    call, instance = real.begin()
    assert real.queue.get_instances_in_use([instance]) == {instance}
    real.queue.release_call(call.token)
    assert real.queue.get_instances_in_use([instance]) == set()
    assert whole_state().kinds.isdisjoint({"owners", "instances", "running"})
    again = real.reserve()
    assert (again.id, again.payload, again.attempt) == (call_id, EVERY_BYTE, 2)


def test_begun_call_names_its_container_and_begun_again_the_last(real, func, whole_state):
    call_id = real.call(func)
    call = real.reserve()
    for instance in ("one", "one", "two"):
        assert real.queue.begin_call(call.token, instance, f"nonce-{instance}")
        assert real.queue.get_instances_in_use(["one", "two", "three"]) == {instance}
    stored = whole_state().below("call")[call_id]
    assert (stored["engine"], stored["instance"], stored["nonce"]) == (
        b"here",
        b"two",
        b"nonce-two",
    )
    assert real.queue.end_call(call.token, ENDED)
    assert real.queue.get_instances_in_use(["one", "two"]) == set()
    assert real.queue.get_instances_in_use([]) == set()


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
    workers = {"workers": None}  # a worker itself may come, be renewed and go
    assert {**after.keys, **workers} == {**before.keys, **workers}


def test_renewed_lease_keeps_a_call(real, func):
    real.call(func)
    call, _ = real.begin()
    real.age(call.token, 1)
    assert real.queue.renew_leases([call.token, "nothing"]) == {"nothing"}
    assert real.new_queue().adopt_call("other") is None


def test_lease_ends_after_its_time(make_real, func):
    real = make_real(lease_seconds=0.3)
    real.call(func)
    call, instance = real.begin()
    real.queue.renew_leases([call.token])
    heir = real.new_queue()
    assert heir.adopt_call("heir") is None
    assert heir.get_live_workers() == {real.queue.worker}
    time.sleep(0.35)
    assert heir.get_live_workers() == set()
    assert heir.adopt_call("heir").instance == instance


def test_begun_call_is_adopted_on_its_engine_as_it_was_begun(real, func, whole_state):
    call_id = real.call(func, EVERY_BYTE)
    call, instance = real.begin()
    time.sleep(0.05)
    real.age(call.token, 1)
    heir = real.new_queue()
    adopted = heir.adopt_call("heir")
    assert (adopted.id, adopted.token, adopted.attempt) == (call_id, "heir", 1)
    assert (adopted.instance, adopted.nonce) == (instance, "nonce")
    assert adopted.definition == real.funcs.get_func("hello")
    assert 50 <= adopted.running_ms < 5000
    whole_state()
    assert heir.get_instances_in_use([instance]) == {instance}
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
    assert (again.id, again.instance) == (first.id, first.instance)
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
    assert reserve_all(real) == made
    assert real.event_names(func, made[0]) == ["CALL", "PENDING", "RUNNING", "PENDING", "RUNNING"]


@pytest.mark.parametrize("seconds", [1, GONE_SECONDS - 2])
def test_call_of_another_engine_is_left_alone_for_its_time(real, func, whole_state, seconds):
    real.call(func)
    call, instance = real.begin()
    real.age(call.token, seconds)
    before = whole_state().below("call")
    assert real.new_queue("elsewhere").adopt_call("other") is None
    assert whole_state().below("call") == before
    assert real.new_queue().adopt_call("heir").instance == instance


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
    assert other.get_instances_in_use([instance]) == set()
    real.calls.wait_for_call(call_id, 1)
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


def test_calls_of_a_worker_that_leaves_are_taken_over_at_once(real, func, whole_state):
    made = [real.call(func) for _ in range(3)]
    begun, instance = real.begin()
    unbegun = real.reserve()
    real.queue.renew_leases([begun.token, unbegun.token])
    assert real.queue.get_live_workers() == {real.queue.worker}
    real.queue.leave([begun.token, unbegun.token, "nothing"])
    heir = real.new_queue()
    assert heir.get_live_workers() == set()
    assert heir.adopt_call("heir").instance == instance
    assert heir.adopt_call("next") is None
    assert reserve_all(real, heir) == made[1:]
    whole_state()


def test_workers_are_known_while_they_live(real, whole_state):
    here, there = real.new_queue(), real.new_queue("there@all")
    for queue in (here, there):
        queue.renew_leases([])
    assert real.queue.get_live_workers() == {here.worker, there.worker}
    here.leave([])
    assert real.queue.get_live_workers() == {there.worker}
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


def wait(queue, seconds: float = 5) -> float:
    """Wait for a call; return for how long that was."""
    begin = time.monotonic()
    queue.wait_for_call(seconds)
    return time.monotonic() - begin


def test_every_call_that_comes_wakes_an_idle_worker(real, func, redis_client):
    before = redis_client.info("clients")["blocked_clients"]
    with ThreadPoolExecutor(5) as workers:
        waits = [workers.submit(wait, real.new_queue()) for _ in range(5)]
        until = time.monotonic() + 5
        while redis_client.info("clients")["blocked_clients"] < before + 5:
            assert time.monotonic() < until
        for _ in range(4):
            real.call(func)
        time.sleep(0.3)
        assert sum(wait.done() for wait in waits) == 4
        real.call(func)
        assert max(wait.result() for wait in waits) < 3


def test_call_that_came_before_a_worker_waits_wakes_it(real, func):
    real.call(func)
    assert wait(real.queue) < 0.3
    assert wait(real.queue, 0.2) >= 0.15


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
    assert wait(real.queue) < 0.3
    assert real.queue.reserve_call("token") is not None


def test_limit_that_was_raised_wakes_one_worker_after_the_other(real, func, redis_client):
    for _ in range(4):
        real.call(func, max_running=1)
    real.reserve()
    redis_client.delete(real.keys.wake)
    real.call(func, max_running=0)
    for _ in range(4):  # each has one slot only
        assert wait(real.queue) < 0.3
        real.reserve()
    assert redis_client.llen(real.keys.wake) == 0


@pytest.fixture
def fragile(make_real, real, func, proxy) -> RealService:
    """The stores behind the proxy, connected and with their scripts known; hello is there."""
    service = make_real(proxy.url, seconds=PATIENCE_SECONDS)
    real.call(func)
    token = service.reserve().token
    service.queue.release_call(token)
    real.run(next(real.calls.list_calls("hello")).id)
    call = next(real.calls.list_calls("hello"))
    real.end(call.id)
    real.calls.delete_call(call.id)
    service.queue.begin_call("warm-up", "", "")
    service.queue.end_call("warm-up", ENDED)
    service.queue.renew_leases([])
    service.queue.leave([])
    service.queue.adopt_call("warm-up")
    return service


def ask(action):
    """Do something to the queue, and once more when it was unavailable, as a worker does."""
    try:
        return action()
    except StoreUnavailable:
        return action()


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_reserve_whose_answer_is_lost_gives_the_call_when_asked_again(
    fragile, real, func, proxy, whole_state, fault
):
    made = [real.call(func) for _ in range(2)]
    proxy.fault = fault
    call = ask(lambda: fragile.queue.reserve_call("token"))
    assert (call.id, call.attempt) == (made[0], 1)
    assert set(whole_state().get("owners")) == {"token"}


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_begin_and_end_whose_answers_are_lost_are_made_once(
    fragile, real, func, proxy, whole_state, fault
):
    call_id = real.call(func)
    call = fragile.reserve()
    proxy.fault = fault
    assert ask(lambda: fragile.queue.begin_call(call.token, "instance", "nonce"))
    assert fragile.queue.get_instances_in_use(["instance"]) == {"instance"}
    proxy.fault = fault
    ended = ask(lambda: fragile.queue.end_call(call.token, ENDED))
    assert ended == (fault == "cut before")
    assert real.calls.get_call("hello", call_id).output == b"out"
    assert real.event_names(func, call_id) == ["CALL", "PENDING", "RUNNING", "FINISHED"]
    whole_state()


@pytest.mark.parametrize("fault", ["cut after", "cut before", "hush after"])
def test_adopt_whose_answer_is_lost_gives_the_call_when_asked_again(
    fragile, real, func, proxy, whole_state, fault
):
    for _ in range(2):
        real.call(func)
        call, _ = real.begin()
        real.age(call.token, 1)
    proxy.fault = fault
    adopted = ask(lambda: fragile.queue.adopt_call("heir"))
    whole_state()
    assert fragile.queue.adopt_call("heir-2").id != adopted.id


def test_reserve_that_comes_after_all_is_undone_when_its_lease_ends(
    fragile, real, func, proxy, whole_state
):
    call_id = real.call(func)
    proxy.fault = "hold"
    with pytest.raises(StoreUnavailable):
        fragile.queue.reserve_call("token")
    proxy.release.set()
    assert proxy.done.wait(10)
    assert set(whole_state().get("owners")) == {"token"}
    real.age("token", 1)
    assert real.queue.adopt_call("heir") is None
    assert real.reserve().id == call_id


def test_each_call_is_reserved_once_by_many_workers_at_once(real, func, make_real, whole_state):
    other = real.add_func("other")
    made = [real.call(one) for _ in range(200) for one in (func, other)]
    services = [make_real() for _ in range(8)]
    barrier = threading.Barrier(8)

    def work(service: RealService) -> list[str]:
        barrier.wait(10)
        return reserve_all(service)

    with ThreadPoolExecutor(8) as workers:
        reserved = [call_id for ids in workers.map(work, services) for call_id in ids]
    assert Counter(reserved) == Counter(made)
    assert whole_state().get("owners")


def test_limit_holds_with_many_workers_while_calls_come_and_end(real, func, make_real, whole_state):
    services = [make_real() for _ in range(6)]
    running, most, lock = Counter(), Counter(), threading.Lock()
    ended: list[str] = []

    def work(service: RealService) -> None:
        while len(ended) < 120:
            call = service.queue.reserve_call(service.queue.new_token())
            if call is None:
                service.queue.wait_for_call(0.1)
                continue
            with lock:
                running["hello"] += 1
                most["hello"] = max(most["hello"], running["hello"])
            service.queue.begin_call(call.token, call.token, "nonce")
            with lock:
                running["hello"] -= 1
            assert service.queue.end_call(call.token, ENDED)
            ended.append(call.id)

    with ThreadPoolExecutor(7) as pool:
        workers = [pool.submit(work, service) for service in services]
        for _ in range(120):
            real.calls.create_call(new_call(func, max_running=2))
        for worker in workers:
            worker.result()
    assert len(set(ended)) == 120
    assert 1 <= most["hello"] <= 2
    assert real.calls.get_counts("hello") == CallCounts(120, 0, 0, 120, 0)
    whole_state()
