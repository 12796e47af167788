"""What becomes of a call before it begins, and how its end is recorded."""

from __future__ import annotations

import pytest

from funcsvc.engine import (
    InstanceVanished,
    StreamBroken,
    make_frame,
)
from funcsvc.model import (
    Failure,
    Image,
)
from funcsvc.model.errors import EngineUnavailable, ImageGone, NotStarted, StoreUnavailable
from funcsvc.worker.runner import FailedAfterSend
from tests.unit.call_stage import ENDED, MAX_ATTEMPTS, MAX_INSTANCES, Stage, engine_away


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_call_begins_in_another_instance_where_one_has_ended(stage):
    stage.instances = [["B"], InstanceVanished(), ["B", b"output", "X 0"]]
    stage.refusals = {"i0": StreamBroken()}
    assert stage.run().output == b"output"
    assert stage.removed == ["i0", "", "i2"]


def test_instance_that_ended_before_it_began_costs_only_itself(stage):
    stage.instances = [[StreamBroken()], ["B", b"output", "X 0"]]
    stage.replays = [[b""]]
    stage.states = [ENDED, ENDED]
    assert stage.run().output == b"output"
    assert stage.removed == ["i0", "i1"]


def test_instance_that_does_not_begin_is_killed_and_replaced(stage):
    stage.instances = [[16.0, StreamBroken()], ["B", b"output", "X 0"]]
    stage.replays = [[b""]]
    stage.states = [ENDED, ENDED]
    assert stage.run().output == b"output"
    assert stage.killed[0] == ("i0", 1015)


def test_call_goes_back_where_no_instance_lasts(stage):
    stage.instances = [InstanceVanished() for _ in range(MAX_INSTANCES)]
    assert stage.run() is None
    assert stage.released == ["token"]


def test_call_that_never_began_has_failed_at_its_last_attempt(stage):
    stage.instances = [InstanceVanished() for _ in range(MAX_INSTANCES)]
    outcome = stage.run(attempt=MAX_ATTEMPTS)
    assert (outcome.failure, stage.released) == (Failure.FAILED, [])
    assert outcome.message.endswith("its containers ended before it could begin.")


def test_call_that_was_tried_too_often_is_not_tried_again(stage):
    outcome = stage.run(attempt=MAX_ATTEMPTS + 1)
    assert outcome.message.endswith("it was tried too often.")


@pytest.mark.parametrize("error", [NotStarted("no."), ImageGone("gone.")])
def test_failure_of_the_function_itself_is_its_end(stage, error):
    stage.instances = [error]
    assert stage.run().message == error.message
    assert stage.released == []


def test_call_goes_back_where_the_engine_is_away_and_the_worker_is_told(stage):
    stage.instances = [engine_away()]
    with pytest.raises(EngineUnavailable):
        stage.run()
    assert (stage.released, stage.outcomes) == (["token"], [])


def test_engine_that_is_away_at_the_last_attempt_is_how_it_ended(stage):
    stage.instances = [engine_away()]
    with pytest.raises(EngineUnavailable):
        stage.run(attempt=MAX_ATTEMPTS)
    assert stage.outcomes[0].message.endswith(engine_away().message)


def test_what_is_unexpected_before_the_frame_puts_the_call_back(stage):
    stage.instances = [RuntimeError("a defect")]
    with pytest.raises(RuntimeError):
        stage.run()
    assert (stage.released, stage.outcomes) == (["token"], [])


def test_what_is_unexpected_behind_the_frame_ends_the_call(stage):
    stage.instances = [["B", RuntimeError("a defect")]]
    with pytest.raises(FailedAfterSend):
        stage.run()
    assert stage.released == []
    assert [it.failure for it in stage.outcomes] == [Failure.FAILED]
    assert "failed unexpectedly" in stage.outcomes[0].message
    assert stage.removed == ["i0"]


def test_call_that_somebody_else_holds_is_left_alone(stage):
    stage.instances = [["B", b"output", "X 0"]]
    stage.begins = [False]
    assert stage.run() is None
    assert (stage.released, stage.removed) == ([], ["i0"])


def test_instance_of_a_call_that_somebody_else_holds_by_its_end_is_left_to_him(stage):
    stage.instances = [["B", b"output", "X 0"]]
    stage.ends = [False]
    stage.run()
    assert (stage.left, stage.removed) == (["i0"], [])


def test_redis_that_is_away_is_waited_for(stage):
    away = [StoreUnavailable("it is played") for _ in range(3)]
    stage.instances = [["B", b"output", "X 0"]]
    stage.begins, stage.ends = [*away, True], [*away, True]
    assert stage.run().output == b"output"
    assert len(stage.outcomes) == 1


def test_ports_are_free_before_the_end_is_told():
    ports = {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    stage = Stage(HostConfig={"PortBindings": ports})
    stage.replays = [["B", b"output", "X 0"]]
    assert stage.take_over().output == b"output"
    assert stage.stopped == ["old"]


def test_image_that_says_no_longer_what_to_run_is_said():
    stage = Stage(Config={"Image": "i"})
    stage.image = Image("sha256:1", [], [])
    stage.instances = [["B"]]
    assert "neither the function nor its image says what to run" in stage.run().message


@pytest.mark.parametrize(("env", "terms"), [([], [b"TERM=xterm"]), (["TERM=vt100"], [])])
def test_terminal_has_a_name(env, terms):
    stage = Stage(Config={"Image": "i", "Cmd": "run", "Tty": True, "Env": env})
    stage.instances = [["B", "X 0"]]
    stage.run()
    assert stage.frames == [make_frame(stage.nonce, ["run"], terms, b"", terminal=True)]
