"""What becomes of a call before it begins, and how its end is recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from funcsvc.engine import (
    InstanceVanished,
    StreamBroken,
    make_frame,
)
from funcsvc.engine.containers.protocol import MAX_FRAME_BYTES
from funcsvc.model import (
    Failure,
    Image,
    InstanceKind,
)
from funcsvc.model.errors import (
    EngineUnavailable,
    ImageGone,
    NoFreeAddress,
    NotStarted,
    PortRangeTaken,
    PortTaken,
    StoreUnavailable,
)
from funcsvc.schemas import func_text
from funcsvc.worker.deaths import MAX_CALLS, Deaths, death_of
from funcsvc.worker.runner import FailedAfterSend
from tests.unit.call_stage import (
    DIED,
    ENDED,
    LIVES,
    MAX_ATTEMPTS,
    MAX_INSTANCES,
    NONCE,
    WANTED_MEMORY,
    Stage,
    engine_away,
)

TOO_LONG = "stderr: exec /.funcsvc/starter: argument list too long\n"


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_call_begins_in_another_instance_where_one_has_ended(stage):
    stage.instances = [["B"], InstanceVanished(), ["B", b"output", "X 0"]]
    stage.refusals, stage.kinds = {"i0": StreamBroken()}, [InstanceKind.WAITING]
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


def die(stage, times: int, *said: str, state=DIED) -> None:
    """Let this many instances end before the call begins in them, after these words."""
    stage.instances += [[StreamBroken()] for _ in range(times)]
    stage.replays += [[*said, b""] for _ in range(times)]
    stage.states += [state] * 2 * times


def test_second_container_that_ends_by_itself_ends_the_call_with_its_last_words(stage):
    die(stage, 2, TOO_LONG)
    outcome = stage.run()
    assert (stage.released, stage.removed) == ([], ["i0", "i1"])
    assert outcome.message == (
        "The function's container could not be started: its containers ended before it could "
        "begin (exit code 1): exec /.funcsvc/starter: argument list too long."
    )


def test_deaths_of_a_call_are_counted_across_its_attempts(stage):
    for attempt in (1, 2):
        die(stage, 1, TOO_LONG)
        stage.instances += [InstanceVanished() for _ in range(MAX_INSTANCES - 1)]
        stage.run(attempt)
    assert (stage.released, len(stage.outcomes)) == (["token"], 1)
    assert "argument list too long" in stage.outcomes[0].message


@pytest.mark.parametrize("code", [125, 130, 137, 143])
def test_containers_ended_from_outside_or_without_input_leave_the_call_to_another_attempt(
    stage, code
):
    die(stage, MAX_INSTANCES, state=replace(DIED, exit_code=code))
    assert stage.run() is None
    assert stage.released == ["token"]


def test_container_that_lacks_memory_to_begin_has_died(stage):
    die(stage, 2, state=WANTED_MEMORY)
    assert stage.run().message.endswith("ended before it could begin (out of memory).")


def test_engine_that_does_not_answer_is_not_a_death(stage):
    for attempt in range(1, MAX_ATTEMPTS):
        stage.instances = [engine_away()]
        with pytest.raises(EngineUnavailable):
            stage.run(attempt)
    assert (len(stage.released), stage.outcomes) == (MAX_ATTEMPTS - 1, [])


def test_instances_that_died_while_they_waited_are_not_counted(stage):
    stage.instances = [[] for _ in range(MAX_INSTANCES)]
    stage.refusals = {f"i{number}": StreamBroken() for number in range(MAX_INSTANCES)}
    stage.kinds = [InstanceKind.WAITING] * MAX_INSTANCES
    assert stage.run() is None
    assert stage.released == ["token"]


def test_second_instance_that_takes_the_frame_and_dies_ends_the_call_even_if_it_had_waited(stage):
    die(stage, 2, TOO_LONG)
    stage.kinds = [InstanceKind.WAITING] * 2
    assert "(exit code 1): exec /.funcsvc/starter: argument list too long." in stage.run().message
    assert (stage.released, stage.removed) == ([], ["i0", "i1"])


@pytest.mark.parametrize("replayed", [False, True])
def test_second_container_that_had_to_be_killed_since_the_call_did_not_begin_ends_it(
    stage, replayed
):
    for _ in range(2):
        stage.instances.append([16.0, StreamBroken() if replayed else b""])
        stage.replays += [[b""]] if replayed else []
        stage.states += [ENDED] * (1 + replayed)
    outcome = stage.run()
    assert outcome.message.endswith("ended before it could begin (killed after 15 seconds).")
    assert (stage.released, stage.clock.now) == ([], 1000 + 2 * 16)


def test_call_that_began_just_as_it_was_to_be_killed_for_being_late_is_not_run_again(stage):
    stage.instances = [[16.0, "B", b""]]
    stage.states = [ENDED]
    assert stage.run().failure is Failure.FAILED
    assert (stage.released, stage.removed) == ([], ["i0"])


def test_container_that_ends_before_its_frame_is_sent_has_last_words_too(stage):
    stage.instances = [[], []]
    stage.refusals = {"i0": StreamBroken(), "i1": StreamBroken()}
    stage.replays = [[TOO_LONG, b""] for _ in range(2)]
    stage.states = [LIVES, DIED, LIVES, DIED]
    assert "(exit code 1): exec /.funcsvc/starter: argument list too long." in stage.run().message


def test_engine_that_is_away_when_it_is_asked_for_last_words_puts_the_call_back(stage):
    stage.instances = [[]]
    stage.refusals = {"i0": StreamBroken()}
    stage.states = [engine_away()]
    with pytest.raises(EngineUnavailable):
        stage.run()
    assert (stage.released, stage.outcomes) == (["token"], [])


def test_container_that_takes_no_frame_and_goes_on_is_not_waited_for(stage):
    stage.instances = [[] for _ in range(MAX_INSTANCES)]
    stage.refusals = {f"i{number}": StreamBroken() for number in range(MAX_INSTANCES)}
    stage.replays = [[] for _ in range(MAX_INSTANCES)]
    assert stage.run() is None
    assert (stage.released, stage.clock.now) == (["token"], pytest.approx(1000 + 1.5 * 3))


def test_last_words_are_bounded_and_without_the_nonce():
    said = f"line\r\n\n {NONCE} F 00000028\n".encode() + b"\xff" * 255
    words = death_of(DIED, said[:255], NONCE).last_words
    assert words.startswith(" (exit code 1): line … F 00000028 ")
    assert (NONCE in words, "\n" in words, len(words) < 300) == (False, False, True)


def test_deaths_are_remembered_for_a_bounded_number_of_calls():
    deaths = Deaths(max_deaths=2)
    for number in range(MAX_CALLS + 1):
        assert not deaths.add(str(number))
    assert deaths.add(str(MAX_CALLS))
    assert not deaths.add("0")


def test_definition_that_breaks_a_rule_by_now_ends_its_calls(stage):
    definition = func_text(stage.func).replace('"Timeout": 60', '"Timeout": 0')
    outcome = stage.run(definition=definition)
    assert outcome.message.endswith("its definition breaks a rule by now, in Timeout.")
    assert stage.released == []


def test_begun_call_whose_definition_breaks_a_rule_by_now_keeps_its_output(stage):
    definition = func_text(stage.func).replace('"StopSignal": "SIGTERM"', '"StopSignal": "NOPE"')
    stage.replays = [["B", b"output", "X 0"]]
    assert stage.take_over(definition=definition).output == b"output"
    assert stage.removed == ["old"]


def test_command_that_no_frame_can_hold_ends_the_call(stage):
    stage.image = Image("sha256:1", ["run", "x" * MAX_FRAME_BYTES], [])
    stage.func = replace(stage.func, config=replace(stage.func.config, cmd=()))
    stage.instances = [["B"]]
    assert "can't be passed on: a frame has at most" in stage.run().message
    assert stage.released == []


def test_call_that_was_tried_too_often_is_not_tried_again(stage):
    outcome = stage.run(attempt=MAX_ATTEMPTS + 1)
    assert outcome.message.endswith("it was tried too often.")


@pytest.mark.parametrize("error", [NotStarted("no."), ImageGone("gone.")])
def test_failure_of_the_function_itself_is_its_end(stage, error):
    stage.instances = [error]
    assert stage.run().message == error.message
    assert stage.released == []


@pytest.mark.parametrize(
    "error", [PortTaken("8000"), PortRangeTaken(["8000-8001"]), NoFreeAddress()]
)
def test_call_that_lacks_what_others_have_goes_back_and_has_failed_at_its_last_attempt(
    stage, error
):
    stage.instances = [error]
    assert stage.run() is None
    assert (stage.released, stage.removed) == (["token"], [""])
    stage.instances = [error]
    assert stage.run(attempt=MAX_ATTEMPTS).message == error.message


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
