"""The pool of instances: how many wait, for which func, which one a call gets, where each goes."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine import InstanceVanished
from funcsvc.model import InstanceKind
from funcsvc.model.errors import EngineUnavailable, NotStarted
from tests.unit.pool_stage import OTHER_IMAGE, FakeInstance, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_first_call_meets_none_and_the_second_one(stage) -> None:
    assert stage.call("a") is InstanceKind.NEW
    assert stage.make() == 1
    with stage.pool.lend(stage.func("a")) as instance:
        assert instance is stage.engine.started[1]
        assert (instance.kind, instance.closed) == (InstanceKind.WAITING, False)
    counts = stage.pool.counts()
    assert (counts.waiting, counts.met, counts.missed, counts.made, counts.retired) == (
        0,
        1,
        1,
        1,
        0,
    )


@pytest.mark.parametrize(
    ("calls_per_second", "expected"), [(0.01, 1), (0.1, 1), (1, 6), (1.5, 8), (2, 10), (50, 10)]
)
def test_number_follows_the_rate(stage, calls_per_second: float, expected: int) -> None:
    for _ in range(100):
        stage.clock.now += 1 / calls_per_second
        stage.call("a")
    assert stage.make() == pytest.approx(expected, abs=1)
    assert stage.waiting <= 10


def test_number_falls_when_calls_stop(stage) -> None:
    for _ in range(60):
        stage.clock.now += 0.2
        stage.call("a")
    assert stage.make() == 10
    stage.clock.now += 31
    assert stage.look() == 1
    stage.clock.now += 600
    assert stage.look() == 0
    assert stage.make() == 0


def test_zero_turns_it_off() -> None:
    stage = Stage(waiting_per_func=0)
    assert stage.call("a") is InstanceKind.NEW
    assert stage.make() == 0


@pytest.mark.parametrize("what", ["image", "version"])
def test_instance_of_another_version_is_retired_at_the_call(stage, what) -> None:
    stage.call("a")
    stage.make()
    if what == "image":
        stage.engine.image = OTHER_IMAGE
    else:
        stage.func("a", Timeout=5)
    assert stage.call("a") is InstanceKind.NEW
    assert stage.names[1] in stage.remove()
    assert stage.engine.started[1].closed


@pytest.mark.parametrize("what", ["updated", "removed", "image"])
def test_instance_of_another_version_is_retired_without_a_call(stage, what) -> None:
    stage.call("a")
    stage.make()
    if what == "updated":
        stage.func("a", Timeout=5)
    elif what == "removed":
        del stage.definitions["a"]
    else:
        stage.engine.image = OTHER_IMAGE
    assert stage.look() == 0
    assert stage.remove() == stage.names
    assert stage.make() == 0


def test_instance_that_ended_is_never_given(stage) -> None:
    for _ in range(5):
        stage.call("a")
    stage.make()
    waiting = stage.engine.started[5:]
    for one in waiting[:-1]:
        one.ended = True
    with stage.pool.lend(stage.func("a")) as instance:
        assert instance is waiting[-1]
    assert set(stage.remove()) == set(stage.names)


def test_instance_that_ended_is_replaced(stage) -> None:
    stage.call("a")
    stage.make()
    stage.clock.now += stage.limits.lasting_seconds
    assert stage.look() == 1
    stage.engine.started[1].ended = True
    assert stage.look() == 0
    assert stage.make() == 1


def test_bound_of_the_worker_holds() -> None:
    stage = Stage(waiting_instances=3)
    for name in "abcde":
        stage.call(name)
    assert stage.make() == 3


def test_bound_of_memory_holds() -> None:
    stage = Stage(waiting_memory_bytes=1100 * 1024 * 1024)
    for name in "abc":
        stage.call(name, ContainerSize="s4")
    assert stage.make() == 2


def test_least_recently_called_func_gives_way() -> None:
    stage = Stage(waiting_instances=2)
    for name in "ab":
        stage.call(name)
        stage.clock.now += 1
    assert stage.make() == 2
    stage.clock.now += stage.demand.patience_seconds
    stage.call("c")
    stage.remove()
    assert stage.make() == 2
    [retired] = [one for one in stage.engine.started[2:] if one.name in stage.remove()[3:]]
    assert (retired.func.name, retired.closed) == ("a", True)


def test_funcs_that_are_called_in_turn_take_nothing_from_each_other() -> None:
    stage = Stage(waiting_instances=1)
    stage.call("a")
    stage.make()
    stage.call("b")
    stage.make()
    assert stage.pool.counts().retired == 0


@pytest.mark.parametrize(
    "error", [EngineUnavailable("it is a fake"), NotStarted("no."), InstanceVanished()]
)
def test_what_can_not_be_made_is_removed_and_tried_again_later(stage, error) -> None:
    stage.call("a")
    stage.remove()
    stage.engine.error = error
    assert stage.make() == 0
    stage.engine.error = None
    assert stage.make() == 0
    assert len(stage.remove()) == 2
    stage.clock.now += 6
    assert stage.make() == 1


def test_defect_in_making_is_raised_and_its_container_removed(stage) -> None:
    stage.call("a")
    stage.remove()
    stage.engine.error = RuntimeError("a defect")
    with pytest.raises(RuntimeError):
        stage.pool.make_one()
    assert len(stage.remove()) == 2


def test_engine_that_failed_a_call_has_nothing_made_for_a_while(stage) -> None:
    stage.call("a")
    stage.engine.error = EngineUnavailable("it is a fake")
    with pytest.raises(EngineUnavailable):
        stage.call("a")
    stage.engine.error = None
    assert stage.make() == 0
    stage.clock.now += 6
    assert stage.make() == 2


def test_container_is_the_pools_from_before_it_is_made_until_it_is_removed(stage) -> None:
    with stage.pool.lend(stage.func("a")) as instance:
        assert stage.pool.has(instance.name)
    assert (stage.pool.has(instance.name), instance.closed) == (True, False)
    stage.remove()
    assert (stage.pool.has(instance.name), instance.closed) == (False, True)
    stage.make()
    assert stage.pool.has(stage.names[-1])


def test_container_that_could_not_be_started_is_removed(stage) -> None:
    stage.engine.error = NotStarted("no.")
    with pytest.raises(NotStarted), stage.pool.lend(stage.func("a")):
        pytest.fail("no instance was started")
    assert len(stage.remove()) == 1


def test_container_of_a_call_that_failed_is_removed(stage) -> None:
    with pytest.raises(RuntimeError), stage.pool.lend(stage.func("a")):
        raise RuntimeError("a defect")
    assert stage.remove() == stage.names


def test_instance_that_is_left_is_closed_and_not_removed(stage) -> None:
    with stage.pool.lend(stage.func("a")) as instance:
        stage.pool.leave(instance.name)
        assert stage.pool.has(instance.name)
    assert (stage.pool.has(instance.name), instance.closed) == (False, True)
    assert stage.remove() == []


def test_container_of_another_worker_is_removed_once(stage) -> None:
    for _ in range(2):
        stage.pool.remove("old")
        assert stage.pool.has("old")
    assert stage.remove() == ["old"]
    assert not stage.pool.has("old")


def test_container_that_runs_a_call_is_not_removed_under_it(stage) -> None:
    with stage.pool.lend(stage.func("a")) as instance:
        stage.pool.remove(instance.name)
        assert stage.pool.removals() == 0
    assert stage.remove() == [instance.name]


def test_removal_is_tried_again_until_the_engine_answers(stage) -> None:
    stage.engine.removal_errors = [EngineUnavailable("it is a fake") for _ in range(3)]
    stage.call("a")
    assert stage.remove() == stage.names
    retries = 3 * stage.limits.removing_retry_seconds
    assert stage.clock.now == pytest.approx(1000 + stage.limits.settle_seconds + retries)


def test_container_that_can_not_be_removed_is_left_to_a_sweep(stage) -> None:
    tries = stage.limits.max_removing_tries
    stage.engine.removal_errors = [EngineUnavailable("it is a fake") for _ in range(tries)]
    stage.call("a")
    assert stage.remove() == []
    assert not stage.pool.has(stage.names[0])


def test_container_whose_removal_fails_unexpectedly_is_left_to_a_sweep(stage) -> None:
    stage.engine.removal_errors = [RuntimeError("a defect")]
    stage.call("a")
    with pytest.raises(RuntimeError):
        stage.pool.remove_next()
    assert not stage.pool.has(stage.names[0])


def test_call_removes_its_own_container_when_too_many_are_to_be_removed() -> None:
    stage = Stage(slots=1, waiting_instances=0)
    for _ in range(stage.limits.max_removing):
        stage.call("a")
    assert (stage.pool.removals(), stage.engine.removed) == (4, [])
    stage.call("a")
    assert (stage.pool.removals(), stage.engine.removed) == (4, stage.names[-1:])
    assert sorted(stage.remove()) == sorted(stage.names)


def test_nothing_is_made_while_a_call_has_the_last_slot() -> None:
    stage = Stage(slots=2)
    assert stage.pool.has_room()
    with ExitStack() as calls:
        calls.enter_context(stage.pool.lend(stage.func("a")))
        assert stage.pool.has_room()
        calls.enter_context(stage.pool.lend(stage.func("a")))
        assert not stage.pool.has_room()
    assert stage.pool.has_room()


def test_nothing_is_made_while_an_instance_is_made_for_a_call(stage) -> None:
    rooms = []
    start = stage.engine.start_instance

    def start_and_look(*args: Any) -> FakeInstance:
        rooms.append(stage.pool.has_room())
        return start(*args)

    stage.engine.start_instance = start_and_look
    stage.call("a")
    stage.make()
    assert rooms == [False, True]


def test_close_retires_all_and_makes_no_more(stage) -> None:
    stage.call("a")
    stage.make()
    stage.pool.close()
    assert stage.remove() == stage.names
    assert stage.call("a") is InstanceKind.NEW
    assert stage.make() == 0


def test_instance_that_is_made_while_the_pool_closes_does_not_wait(stage) -> None:
    stage.call("a")
    start = stage.engine.start_instance

    def start_and_close(*args: Any) -> FakeInstance:
        stage.pool.close()
        return start(*args)

    stage.engine.start_instance = start_and_close
    assert stage.make() == 0
    assert stage.remove() == stage.names


def test_pool_is_idle_when_nothing_is_made_or_removed_any_more(stage) -> None:
    stage.call("a")
    stage.pool.wait_until_idle(3)
    assert stage.clock.now >= 1003
    stage.remove()
    before = stage.clock.now
    stage.pool.wait_until_idle(3)
    assert stage.clock.now == before


def test_many_threads_never_get_one_instance_twice(stage) -> None:
    for _ in range(50):
        stage.call("a")
    stage.make()
    barrier, lent = threading.Barrier(20), []

    def call() -> None:
        with stage.pool.lend(stage.func("a")) as instance:
            lent.append(instance)
            barrier.wait(PATIENCE_SECONDS)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.name for one in lent}) == 20
    assert [one.kind for one in lent].count(InstanceKind.WAITING) == 10


def test_least_recently_called_func_is_forgotten_beyond_the_bound(stage) -> None:
    for number in range(stage.demand.max_funcs):
        stage.call(f"f{number}", ContainerSize="s1")
        stage.clock.now += 0.001
    assert stage.make() == 20
    waiting = {one.func.name for one in stage.engine.started if one.kind is InstanceKind.WAITING}
    oldest = f"f{stage.demand.max_funcs - 20}"
    assert oldest in waiting
    for number in range(stage.demand.max_funcs - 19):
        stage.call(f"g{number}", ContainerSize="s1")
    assert stage.waiting == 19
