"""Funcs whose instances can't be made, or don't last: how often that is tried, at whose cost."""

from __future__ import annotations

from itertools import pairwise

import pytest

from funcsvc.engine import InstanceVanished
from funcsvc.model import InstanceKind
from funcsvc.model.errors import EngineUnavailable, NotStarted
from tests.unit.pool_stage import OTHER_IMAGE, Stage

TRIES = 7
"""The pauses are 5, 10, 20, 40, 80 and 160 seconds; after the seventh failure only a call helps."""


@pytest.fixture
def stage() -> Stage:
    return Stage()


def failing_call(stage: Stage, name: str, **fields: object) -> None:
    """Run a call that doesn't begin."""
    with pytest.raises(InstanceVanished), stage.pool.lend(stage.func(name, **fields)):
        raise InstanceVanished


def tries_of(stage: Stage) -> list[float]:
    """Return a list that gets the time of each try to start an instance."""
    tries, start = [], stage.engine.start_instance

    def note_and_start(*args):
        tries.append(stage.clock.now)
        return start(*args)

    stage.engine.start_instance = note_and_start
    return tries


def test_instances_that_end_at_once_are_made_less_and_less_often_and_then_no_more(stage):
    failing_call(stage, "a")
    stage.engine.dying, tries = {"a"}, tries_of(stage)
    stage.go_on(600)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == pytest.approx([5, 10, 20, 40, 80, 160], abs=1)


@pytest.mark.parametrize(
    "error", [EngineUnavailable("it is a fake"), NotStarted("no."), InstanceVanished()]
)
def test_instances_that_can_not_be_made_are_tried_as_seldom(stage, error):
    failing_call(stage, "a")
    stage.engine.error, tries = error, tries_of(stage)
    stage.go_on(600)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == [5, 10, 20, 40, 80, 160]


def test_call_has_a_func_tried_again_that_was_given_up_but_only_every_few_minutes(stage):
    stage.engine.dying = {"a"}
    failing_call(stage, "a")
    stage.go_on(500)
    for _ in range(10):
        failing_call(stage, "a")
        stage.go_on(1)
    assert stage.made("a") == 1 + TRIES + 10
    stage.go_on(300)
    assert stage.made("a") == 1 + TRIES + 10 + 1
    stage.go_on(600)
    assert stage.made("a") == 1 + TRIES + 10 + 1


@pytest.mark.parametrize("what", ["definition", "image"])
def test_change_has_a_func_tried_again_at_once(stage, what):
    stage.engine.dying = {"a"}
    failing_call(stage, "a")
    stage.go_on(500)
    stage.engine.dying = set()
    if what == "image":
        stage.engine.image = OTHER_IMAGE
    failing_call(stage, "a", **({"Timeout": 5} if what == "definition" else {}))
    assert stage.make() == 1


def test_func_that_failed_takes_the_place_of_no_other():
    stage = Stage(waiting_instances=1)
    stage.call("healthy")
    stage.engine.dying = {"broken"}
    stage.go_on(11)
    failing_call(stage, "broken")
    stage.go_on(3)
    retired = stage.pool.counts().retired
    stage.go_on(300)
    assert stage.pool.counts().retired == retired
    assert [one.func.name for one in stage.engine.started if not one.ended][-1] == "healthy"
    assert stage.waiting == 1


def test_func_whose_call_could_not_be_started_takes_the_place_of_no_other():
    stage = Stage(waiting_instances=1)
    stage.call("healthy")
    stage.go_on(11)
    stage.engine.error = NotStarted("no.")
    with pytest.raises(NotStarted):
        stage.call("broken")
    stage.engine.error = None
    stage.go_on(300)
    assert (stage.made("broken"), stage.pool.counts().retired) == (0, 0)


def test_failures_of_a_func_are_logged_once(stage, caplog):
    stage.engine.dying = {"a"}
    failing_call(stage, "a")
    stage.go_on(600)
    failing_call(stage, "a")
    stage.go_on(600)
    assert [record.getMessage() for record in caplog.records] == [
        "no instance of a can wait for a call: it ended by itself"
    ]


def test_instance_that_waits_for_a_minute_ends_the_failures_before_it(stage):
    stage.engine.dying = {"a"}
    failing_call(stage, "a")
    stage.go_on(40)
    stage.engine.dying = set()
    stage.go_on(40 + 61)
    assert stage.waiting == 1
    stage.engine.started[-1].ended = True
    assert (stage.look(), stage.make()) == (0, 1)


@pytest.mark.parametrize("lifetime", [0.5, 1.4, 2, 5, 59])
def test_instances_that_end_within_a_minute_are_made_less_and_less_often(stage, lifetime):
    stage.call("a")
    stage.engine.lifetime = lifetime
    stage.go_on(600)
    assert stage.made("a") <= 1 + TRIES
    assert stage.made("a") >= 1 + TRIES - 2


def test_calls_that_run_in_new_instances_have_no_more_made_ahead_of_them(stage):
    stage.engine.dying = {"a"}
    for _ in range(300):
        stage.call("a")
        stage.go_on(2)
    assert stage.made("a") <= 300 + TRIES + 1


def test_call_that_met_a_waiting_instance_ends_the_failures_before_it(stage):
    stage.call("a")
    stage.make()
    stage.engine.started[-1].ended = True
    stage.look()
    stage.go_on(6)
    for _ in range(60):
        stage.call("a")
    assert stage.make() == 10


def test_healthy_func_has_several_instances_right_after_its_first_call(stage):
    for _ in range(60):
        stage.call("a")
    assert stage.make() == 10


def test_instances_of_an_unproven_func_are_made_singly(stage):
    stage.engine.dying = {"a"}
    for _ in range(60):
        failing_call(stage, "a")
    assert (stage.make(), stage.made("a")) == (1, 61)
    stage.engine.dying = set()
    stage.engine.started[-1].ended = False
    stage.go_on(3)
    assert stage.waiting == 10


def test_call_that_ran_ends_the_pause_that_the_engine_caused(stage):
    failing_call(stage, "a")
    stage.engine.error = EngineUnavailable("it is a fake")
    stage.go_on(60)
    stage.engine.error = None
    stage.clock.now += 6
    assert stage.call("a") is InstanceKind.NEW
    assert stage.make() == 1
