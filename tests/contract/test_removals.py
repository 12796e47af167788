"""Funcs that are removed with their calls, by force and in bounded steps, over the real Redis."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from dev import servers
from funcsvc.model import CallStatus
from funcsvc.model.errors import CallRemoved, FuncBeingRemoved, FuncBusy, FuncNotFound
from funcsvc.store.removals import FINISH_SECONDS, LEFT_BEHIND_MS, STEP_CALLS, Removals
from funcsvc.store.scripts import get_script
from tests.contract.calls import ENDED, LATE, end_one, new_call, reserve_all
from tests.contract.stores import STORE_SECONDS, new_func

LEFT = {"arrivals", "stored_bytes", "wake", "done"}


def test_func_with_calls_is_removed_by_force_alone(service):
    func = service.add_func()
    pending = service.call(func)
    with pytest.raises(FuncBusy):
        service.funcs.delete_func("hello")
    service.funcs.delete_func("hello", force=True)
    with pytest.raises(FuncNotFound):
        service.funcs.get_func("hello")
    with pytest.raises(FuncNotFound):
        service.calls.create_call(new_call(func))
    with pytest.raises(CallRemoved):
        service.calls.get_call("hello", pending)
    assert list(service.calls.list_calls("hello")) == []
    assert service.calls.get_counts("hello").total == 0
    assert service.events_of(func) == []


def test_force_on_a_func_that_was_never_there_is_not_found(service):
    with pytest.raises(FuncNotFound):
        service.funcs.delete_func("nope", force=True)


def test_removed_calls_never_run_and_leave_nothing(make_real, whole_state):
    real = make_real(first_delay_ms=3_600_000)
    func, other = real.add_func(), real.add_func("other")
    end_one(real, func, ENDED)
    for _ in range(3):
        real.call(func)
    kept = real.call(other)
    real.queue.release_call(real.reserve().token)
    reserved, (begun, instance) = real.reserve(), real.begin()
    assert begun.id != kept
    real.funcs.delete_func("hello", force=True)
    assert reserve_all(real) == [kept]
    state = whole_state()
    assert state.get("kills:here") == [instance.encode()]
    assert set(state.below("call")) == {kept}
    assert not real.queue.begin_call(reserved.token, "late", "nonce")
    for late in (reserved, begun):
        assert not real.queue.end_call(late.token, LATE)
        assert not real.queue.release_call(late.token)


def test_container_to_kill_is_named_until_it_is_forgotten(real, whole_state):
    func = real.add_func()
    real.call(func)
    _, instance = real.begin()
    assert real.queue.wait_for_kill(0.01) is None
    real.funcs.delete_func("hello", force=True)
    elsewhere = real.new_queue("elsewhere")
    assert elsewhere.wait_for_kill(0.01) is None
    for _ in range(2):
        assert real.queue.wait_for_kill(5) == instance
    real.queue.forget_kill(instance)
    assert real.queue.wait_for_kill(0.01) is None
    assert "kills" not in whole_state().kinds


def test_request_that_waits_is_told_that_its_call_was_removed(service):
    func = service.add_func()
    call_id = service.call(func)
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(service.calls.wait_for_end, call_id, 30)
        service.funcs.delete_func("hello", force=True)
        waiting.result(timeout=20)
    with pytest.raises(CallRemoved) as caught:
        service.calls.get_call("hello", call_id)
    assert caught.value.message == f'The call "{call_id}" was removed with its function.'


@pytest.fixture
def half_removed(real, redis_client):
    """A func whose definition is deleted, and whose calls are still there."""
    func = real.add_func()
    for _ in range(5):
        real.call(func)
    real.begin()
    delete_only_the_definition(real)
    return func


def delete_only_the_definition(real) -> None:
    script = get_script("delete_func", real.keys)
    assert real.client.write(script, ["hello", 1]) == "deleted"


def test_each_step_removes_no_more_than_its_number_of_calls(real, half_removed, redis_client):
    steps = Removals(real.client, real.keys, step_calls=2)
    left = []
    while not steps.step("hello"):
        left.append(redis_client.zcard(real.keys.calls("hello")))
    assert left == [3, 1]
    assert steps.step("hello")


def test_removal_that_takes_long_is_left_to_workers_in_time(real, half_removed, redis_client):
    seconds = itertools.count(step=FINISH_SECONDS / 3)
    slow = Removals(real.client, real.keys, step_calls=1, clock=lambda: next(seconds))
    assert not slow.finish("hello")
    assert redis_client.zcard(real.keys.calls("hello")) == 2
    assert LEFT_BEHIND_MS > FINISH_SECONDS * 1000
    assert slow.finish("hello")


def call_many(real, func, count: int) -> None:
    """Create this many calls, quickly."""
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda _: real.call(func), range(count)))


def test_step_of_a_removal_has_few_of_thousands_of_calls(real, redis_client):
    call_many(real, real.add_func(), 2000)
    delete_only_the_definition(real)
    removals, left = Removals(real.client, real.keys), [2000]
    while not removals.step("hello"):
        left.append(redis_client.zcard(real.keys.calls("hello")))
    assert STEP_CALLS <= 100
    assert {before - after for before, after in pairwise(left)} == {STEP_CALLS}


def test_name_is_taken_until_everything_has_gone(real, half_removed, whole_state):
    with pytest.raises(FuncBeingRemoved) as caught:
        real.funcs.create_func(*new_func())
    assert caught.value.message == (
        'Name is "hello", but the last function with that name is still being removed: '
        "try again in a few seconds."
    )
    real.funcs.delete_func("hello")  # goes on with the removal
    real.funcs.create_func(*new_func())
    assert whole_state().kinds <= {*LEFT, "func", "funcs", "kills"}


def test_nothing_of_a_half_removed_func_is_run_or_taken_over(real, half_removed):
    heir = real.new_queue()
    assert reserve_all(real) == []
    for queue in (heir, real.new_queue("elsewhere")):
        assert queue.adopt_call(queue.new_token()) is None
    real.funcs.delete_func("hello")


def test_call_that_is_put_back_while_its_func_is_removed_is_never_ready(real, redis_client):
    func = real.add_func()
    real.call(func)
    call = real.reserve()
    delete_only_the_definition(real)
    assert real.queue.release_call(call.token)
    assert reserve_all(real) == []
    real.funcs.delete_func("hello")


def test_reservation_asked_again_for_a_func_that_was_deleted_gives_nothing(real):
    func = real.add_func()
    real.call(func)
    assert real.queue.reserve_call("token")
    delete_only_the_definition(real)
    assert real.queue.reserve_call("token") is None
    real.funcs.delete_func("hello")


def test_removal_whose_process_died_is_finished_by_a_worker(
    real, half_removed, redis_client, whole_state
):
    redis_client.zadd(real.keys.removing, {"hello": real.client.time_ms() + 3_600_000})
    real.queue.finish_removals()
    assert redis_client.zcard(real.keys.removing) == 1  # it may be going on elsewhere
    redis_client.zadd(real.keys.removing, {"hello": real.client.time_ms() - LEFT_BEHIND_MS - 1})
    real.queue.finish_removals()
    assert whole_state().kinds <= {*LEFT, "kills"}


def test_func_is_gone_also_if_redis_fails_before_its_calls_are_removed(
    make_real, real, proxy, redis_client, whole_state
):
    fragile = make_real(proxy.url, seconds=STORE_SECONDS)
    func = real.add_func()
    real.call(func)
    fragile.add_func("warm-up")  # so that Redis knows the scripts
    fragile.funcs.delete_func("warm-up")
    proxy.spared, proxy.fault = 1, "hold"
    fragile.funcs.delete_func("hello", force=True)
    with pytest.raises(FuncNotFound):
        real.funcs.get_func("hello")
    assert redis_client.zcard(real.keys.removing) == 1
    real.funcs.delete_func("hello")
    assert whole_state().kinds <= LEFT


def test_two_removals_at_once_and_a_new_func_of_the_name_do_not_mix(real, whole_state):
    for number in range(20):
        func = real.add_func()
        for _ in range(number % 5):
            real.call(func)
        with ThreadPoolExecutor(2) as clients:
            for one in [
                clients.submit(real.funcs.delete_func, "hello", force=True) for _ in range(2)
            ]:
                assert type(one.exception()) in (type(None), FuncNotFound)
        func = real.add_func()
        call_id = real.call(func)
        assert real.calls.get_call("hello", call_id).status is CallStatus.PENDING
        real.funcs.delete_func("hello", force=True)


def test_func_is_removed_by_force_also_while_the_memory_is_full(redis_prefix, make_real):
    with servers.redis_server() as full, full.client() as client:
        real = make_real(full.url)
        func = real.add_func()
        for _ in range(3):
            real.call(func)
        real.begin()
        client.set("filler", b"x" * 1024 * 1024)
        client.config_set("maxmemory", 1024 * 1024)
        real.funcs.delete_func("hello", force=True)
        left = {key.decode() for key in client.scan_iter(f"{redis_prefix}*")}
        assert not {key for key in left if "hello" in key or ":call:" in key}


def test_rotation_after_the_limit_was_lowered_goes_in_bounded_steps(make_real, redis_client):
    real = make_real()
    func = real.add_func()
    for _ in range(250):
        end_one(real, func, ENDED)
    smaller = make_real(max_outputs_bytes=0)
    outputs = f"{real.keys.prefix}outputs:hello"
    left = []
    for _ in range(4):
        end_one(smaller, func, ENDED)
        left.append(redis_client.zcard(outputs))
    assert left == [151, 52, 0, 0]
