"""How a call ends that has begun: by its output, by its Timeout, or after it was taken over."""

from __future__ import annotations

import dataclasses

import pytest

from funcsvc.engine import (
    StreamBroken,
)
from funcsvc.model import (
    MAX_OUTPUT_BYTES,
    Failure,
    Outcome,
)
from tests.unit.call_stage import (
    ENDED,
    LIVES,
    TIMEOUT,
    WANTED_MEMORY,
    Stage,
    engine_away,
    on_stderr,
)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_call_ends_with_what_it_printed(stage):
    stage.instances = [["B", b"out", b"put", "X 0"]]
    assert stage.run() == Outcome(output=b"output", short_stdout=b"output")
    assert (stage.removed, stage.killed, stage.released) == (["i0"], [], [])


@pytest.mark.parametrize(
    ("mark", "failure", "message"),
    [
        ("X 7", Failure.FAILED, "exit code 7."),
        ("S 11", Failure.FAILED, "signal 11 (SIGSEGV)."),
        ("S 99", Failure.FAILED, "signal 99."),
        ("O 137", Failure.FAILED, "want of memory"),
        ("P 2", Failure.FAILED, 'exec: "run": executable file not found in $PATH (exit code 127)'),
        ("N 2", Failure.FAILED, "no such file or directory (exit code 127)"),
        ("N 13", Failure.FAILED, "permission denied (exit code 126)"),
        ("E 15", Failure.FAILED, "ended from outside: its container got signal 15 (SIGTERM)."),
        ("F 28", Failure.FAILED, "its starter failed: no space left on device."),
    ],
)
def test_mark_says_how_a_command_ended(stage, mark, failure, message):
    stage.instances = [["B", b"a part", mark]]
    outcome = stage.run()
    assert (outcome.failure, outcome.output, outcome.short_stdout) == (failure, b"", b"a part")
    assert message in outcome.message


LINE = "The function ended with exit code 1. Its standard error ends with: "


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        (b"", "The function ended with exit code 1."),
        (b"\n\x1b[0m \n", "The function ended with exit code 1."),
        (b"Traceback:\n  a line\nKeyError: 'x'\n", LINE + "KeyError: 'x'"),
        (b"\x1b[31mbad\x1b[0m\tthing\x07\n", LINE + "bad thing\ufffd"),
        ("a\u202eb\u2028c\u200bd\n".encode(), LINE + "a\ufffdb c\ufffdd"),
        (b"\xff\xfe\n", LINE + "\ufffd\ufffd"),
        (b"x" * 255, LINE + "x" * 255),
        (b"x" * 256, LINE + "x" * 255),
        (b"x" * 254 + "\u00e4".encode(), LINE + "x" * 254),
        (b"x" * 253 + "\u00e4".encode(), LINE + "x" * 253 + "\u00e4"),
        (b"\xff" * 255, LINE + "\ufffd" * 85),
    ],
)
def test_failure_ends_with_the_last_line_of_standard_error(stage, errors, message):
    """Without it, a func that exits other than 0 can't be debugged from its Message."""
    stage.instances = [["B", on_stderr(errors), "X 1"]]
    outcome = stage.run()
    assert (outcome.message, outcome.short_stderr) == (message, errors[:255])


def test_last_line_of_standard_error_is_told_after_a_take_over_too(stage):
    stage.replays = [["B", on_stderr(b"first\nlast\n"), "S 11"]]
    outcome = stage.take_over()
    assert outcome.message == (
        "The function was killed by signal 11 (SIGSEGV). Its standard error ends with: last"
    )


@pytest.mark.parametrize("steps", [["B", "X 0"], ["B", b"x" * (MAX_OUTPUT_BYTES + 1)], ["B", 1e6]])
def test_only_a_plain_failure_tells_the_last_line_of_standard_error(stage, steps):
    stage.instances = [[steps[0], on_stderr(b"a warning\n"), *steps[1:]]]
    assert "warning" not in stage.run().message


def test_call_that_runs_too_long_is_killed_at_its_deadline(stage):
    stage.instances = [["B", b"a part", 1e6]]
    outcome = stage.run()
    assert (outcome.failure, outcome.short_stdout) == (Failure.TIMED_OUT, b"a part")
    assert stage.killed == [("i0", 1000 + TIMEOUT)]


def test_call_that_prints_too_much_is_killed_at_once(stage):
    stage.instances = [["B", b"x" * MAX_OUTPUT_BYTES, 1.0, b"x" * 100, 1e6]]
    assert stage.run().failure is Failure.TOO_LARGE
    assert stage.killed == [("i0", 1001)]


def test_output_that_is_too_large_by_its_last_bytes_is_too_large(stage):
    stage.instances = [["B", (b"x" * (MAX_OUTPUT_BYTES + 1), "X 0")]]
    assert stage.run().failure is Failure.TOO_LARGE


def test_broken_stream_is_read_again_from_what_the_engine_kept(stage):
    stage.instances = [["B", b"out", StreamBroken()]]
    stage.replays = [["B", b"out", b"put", "X 0"]]
    assert stage.run().output == b"output"
    assert stage.removed == ["i0"]


def test_replay_that_ends_too_early_is_tried_again(stage):
    stage.instances = [["B", StreamBroken()]]
    stage.replays = [["B", b"o", b""], engine_away(), ["B", b"output", "X 0"]]
    assert stage.run().output == b"output"


def test_container_that_nobody_finds_any_more_has_lost_the_result(stage):
    stage.instances = [["B", StreamBroken()]]
    stage.states = [None]
    outcome = stage.run()
    assert (outcome.failure, outcome.message) == (
        Failure.FAILED,
        "The function began, but its result is lost: its container is gone.",
    )


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (None, "its container was removed."),
        (
            ENDED,
            "ended from outside: its container ended before the function did (exit code 137).",
        ),
        (WANTED_MEMORY, "killed for want of memory"),
    ],
)
def test_output_that_ends_without_its_mark_is_explained_by_the_container(stage, state, message):
    stage.instances = [["B", StreamBroken()]]
    stage.replays = [["B", b"a part", b""]]
    stage.states = [LIVES, state]
    outcome = stage.run()
    assert (outcome.failure, outcome.short_stdout) == (Failure.FAILED, b"a part")
    assert message in outcome.message


def test_engine_that_is_gone_for_too_long_has_lost_the_result(stage):
    stage.instances = [["B", StreamBroken()]]
    stage.states = [engine_away() for _ in range(1000)]
    outcome = stage.run()
    assert (outcome.failure, "the engine is gone" in outcome.message) == (Failure.FAILED, True)
    assert stage.clock.now == pytest.approx(1000 + 20, abs=1)


def test_timeout_is_kept_while_the_engine_is_gone():
    stage = Stage(Timeout=10)
    stage.instances = [["B", StreamBroken()]]
    stage.states = [engine_away() for _ in range(1000)]
    assert stage.run().failure is Failure.TIMED_OUT
    assert stage.clock.now == pytest.approx(1000 + 10, abs=1)


def test_engine_that_comes_and_goes_is_not_gone(stage):
    stage.instances = [["B", StreamBroken()]]
    stage.states = [engine_away() for _ in range(30)]
    stage.replays = [["B", b""]]
    stage.states += [LIVES, LIVES, *(engine_away() for _ in range(30))]
    stage.replays += [["B", b"output", "X 0"]]
    assert stage.run().output == b"output"


def test_call_is_taken_over_from_its_beginning(stage):
    stage.replays = [["B", b"output", "X 0"]]
    assert stage.take_over().output == b"output"
    assert stage.removed == ["old"]


def test_time_that_a_call_ran_before_counts(stage):
    stage.replays = [["B", 1e6]]
    assert stage.take_over(running_ms=50_000).failure is Failure.TIMED_OUT
    assert stage.killed == [("old", 1010)]


def test_call_that_still_runs_past_its_deadline_is_killed_when_it_is_taken_over(stage):
    stage.replays = [["B", 1e6]]
    assert stage.take_over(running_ms=70_000).failure is Failure.TIMED_OUT
    assert stage.killed == [("old", 1000)]


def test_result_of_what_ended_while_nobody_looked_is_there(stage):
    stage.states = [ENDED]
    stage.replays = [["B", b"output", "X 0"]]
    assert stage.take_over(running_ms=1_000_000).output == b"output"


@pytest.mark.parametrize(
    ("running_ms", "exit_code", "failure", "message"),
    [
        (70_000, 137, Failure.TIMED_OUT, "ran past its Timeout of 60 seconds"),
        (10_000, 137, Failure.FAILED, "ended from outside"),
        (70_000, 255, Failure.FAILED, "ended from outside"),  # as of a host that was restarted
        (70_000, 143, Failure.FAILED, "ended from outside"),
        (70_000, 0, Failure.FAILED, "ended from outside"),
    ],
)
def test_what_was_killed_while_nobody_looked_is_told_by_its_deadline(
    stage, running_ms, exit_code, failure, message
):
    stage.states = [dataclasses.replace(ENDED, exit_code=exit_code)] * 2
    stage.replays = [["B", b"a part", b""]]
    outcome = stage.take_over(running_ms=running_ms)
    assert (outcome.failure, outcome.short_stdout) == (failure, b"a part")
    assert message in outcome.message


def test_engine_that_gives_nothing_of_what_ended_keeps_nobody_for_long(stage):
    stage.states = [ENDED]
    stage.replays = [["B", 1e6]]
    assert stage.take_over(running_ms=70_000).failure is Failure.TIMED_OUT
    assert stage.clock.now == 1000 + 20


def test_engine_that_is_away_for_a_moment_loses_no_result_that_is_late(stage):
    stage.states = [engine_away(), ENDED]
    stage.replays = [["B", b"output", "X 0"]]
    assert stage.take_over(running_ms=70_000).output == b"output"


def test_engine_that_stays_away_from_a_late_take_over_ends_the_call(stage):
    stage.states = [engine_away() for _ in range(1000)]
    assert stage.take_over(running_ms=70_000).failure is Failure.TIMED_OUT
    assert stage.clock.now == pytest.approx(1000 + 20, abs=1)


def test_call_that_never_began_goes_back_when_it_is_taken_over(stage):
    stage.states = [ENDED, ENDED]
    stage.replays = [[b""]]
    assert stage.take_over() is None
    assert (stage.released, stage.removed) == (["token"], ["old"])


@pytest.mark.parametrize("state", [LIVES, ENDED])
def test_output_is_followed_only_while_the_container_runs(stage, state):
    """One that has ended can be started again, and would then be followed until the Timeout."""
    stage.states = [state]
    stage.replays = [["B", b"output", "X 0"]]
    stage.take_over()
    assert stage.followed == [state is LIVES]


def test_beginning_that_the_engine_dropped_is_said(stage):
    stage.replays = [[b"the rest of an output", "X 0"]]
    assert "more than the engine keeps" in stage.take_over().message


def test_what_is_unexpected_in_a_take_over_ends_the_call(stage):
    stage.replays = [["B", RuntimeError("a defect")]]
    with pytest.raises(RuntimeError):
        stage.take_over()
    assert [it.failure for it in stage.outcomes] == [Failure.FAILED]
    assert "failed unexpectedly" in stage.outcomes[0].message


def test_container_of_a_call_that_was_taken_over_again_is_left_alone(stage):
    stage.replays = [["B", b"output", "X 0"]]
    stage.ends = [False]
    stage.take_over()
    assert stage.removed == []
