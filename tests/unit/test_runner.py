"""How a call ends, whatever its container, the engine and Redis do, on a fake clock.

The queue, the engine and the instances are fakes, because real ones can't be made to fail at every
moment. tests/e2e and tests/chaos use the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from funcsvc.engine import (
    ContainerState,
    InstanceVanished,
    OutputReader,
    StreamBroken,
    make_frame,
)
from funcsvc.model import (
    MAX_OUTPUT_BYTES,
    BegunCall,
    Failure,
    Image,
    InstanceKind,
    Outcome,
    ReservedCall,
)
from funcsvc.model.errors import EngineUnavailable, ImageGone, NotStarted, StoreUnavailable
from funcsvc.schemas import FuncSchema, func_text
from funcsvc.worker.following import Follower, FollowLimits
from funcsvc.worker.runner import FailedAfterSend, Runner, RunnerLimits

MAX_ATTEMPTS, MAX_INSTANCES = RunnerLimits().max_attempts, RunnerLimits().max_instances
TIMEOUT = 60
LIVES = ContainerState(is_running=True, exit_code=0, out_of_memory=False)
ENDED = ContainerState(is_running=False, exit_code=137, out_of_memory=False)
WANTED_MEMORY = ContainerState(is_running=False, exit_code=137, out_of_memory=True)
NONCE = "0123456789abcdef" * 2

Step = bytes | str | float | BaseException | tuple[bytes, str]
"""What a source does next: output, a mark (`B`, `X 0`) or both, seconds of silence, or an error.

An empty output is the end.
"""


def new_func(**fields: object):
    return FuncSchema().load_new(
        {"Name": "f", "Config": {"Image": "i", "Cmd": "run"}, "Timeout": TIMEOUT, **fields}
    )


@dataclass
class Clock:
    """A clock that advances only when something sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Played:
    """A source of output that plays its steps in order, and is silent afterwards."""

    clock: Clock
    steps: list[Step]
    nonce: Callable[[], str]

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        if not self.steps:
            self.clock.sleep(seconds)
            return True
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, float):
            self.clock.sleep(min(step, seconds))
            if step > seconds:
                self.steps.insert(0, step - seconds)
        elif isinstance(step, bytes):
            reader.feed(1, step)
        elif isinstance(step, tuple):
            reader.feed(1, step[0])
            self._mark(reader, *step[1].split())
        else:
            self._mark(reader, *step.split())
        return step != b""

    def _mark(self, reader: OutputReader, kind: str, number: str = "0") -> None:
        mark = f"{self.nonce()} {kind} {int(number):08d}\n".encode()
        reader.feed(1, mark)
        if kind != "B":
            reader.feed(2, mark)


@dataclass
class Instance(Played):
    """An instance as a runner uses it."""

    name: str = ""
    func: object = None
    image: Image = field(default_factory=lambda: Image("sha256:1", ["run"], []))
    kind: InstanceKind = InstanceKind.NEW
    refuses: BaseException | None = None
    frames: list[bytes] = field(default_factory=list)

    def send(self, frame: bytes, seconds: float) -> None:
        if self.refuses:
            raise self.refuses
        self.frames.append(frame)


class Stage:
    """A runner and everything around it. Each list is what happens next, or what has happened."""

    def __init__(self, **fields: object) -> None:
        self.clock = Clock()
        self.func = new_func(**fields)
        self.image = Image("sha256:1", ["run"], [])
        self.frames: list[bytes] = []
        self.instances: list[list[Step] | BaseException] = []
        self.refusals: dict[str, BaseException] = {}
        self.states: list[ContainerState | BaseException | None] = []
        self.replays: list[list[Step] | BaseException] = []
        self.begins: list[bool | BaseException] = []
        self.ends: list[bool | BaseException] = []
        self.nonce = NONCE
        self.outcomes: list[Outcome] = []
        self.released: list[str] = []
        self.killed: list[tuple[str, float]] = []
        self.stopped: list[str] = []
        self.left: list[str] = []
        self.removed: list[str] = []
        limits = FollowLimits(begin_seconds=15, engine_gone_seconds=20)
        follower = Follower(self, limits, self.clock)
        self.runner = Runner(self, self, self, follower, clock=self.clock)

    def run(self, attempt: int = 1) -> Outcome | None:
        """Run a call and return its outcome, if there is one."""
        text = func_text(self.func)
        self.runner.run(ReservedCall("c", "token", text, attempt, [], b""))
        return self.outcomes[-1] if self.outcomes else None

    def take_over(self, running_ms: int = 0, attempt: int = 1) -> Outcome | None:
        """Take over a call that another worker began in `old`."""
        text = func_text(self.func)
        call = BegunCall("c", "token", text, attempt, "old", NONCE, running_ms)
        self.runner.take_over(call)
        return self.outcomes[-1] if self.outcomes else None

    # the queue

    def begin_call(self, token: str, name: str, nonce: str, *, waited: bool) -> bool:
        self.nonce = nonce
        return _next(self.begins, otherwise=True)

    def end_call(self, token: str, outcome: Outcome) -> bool:
        recorded = _next(self.ends, otherwise=True)
        self.outcomes.append(outcome)
        return recorded

    def release_call(self, token: str) -> bool:
        self.released.append(token)
        return True

    # the pool

    @contextmanager
    def lend(self, func: object) -> Iterator[Instance]:
        number = len(self.removed) + len(self.left)
        steps = self.instances.pop(0)
        if isinstance(steps, BaseException):
            self.removed.append("")
            raise steps
        name = f"i{number}"
        refuses = self.refusals.get(name)
        try:
            yield Instance(
                self.clock,
                steps,
                lambda: self.nonce,
                name=name,
                func=func,
                image=self.image,
                refuses=refuses,
                frames=self.frames,
            )
        finally:
            if name not in self.left:
                self.removed.append(name)

    def leave(self, name: str) -> None:
        self.left.append(name)

    def remove(self, name: str) -> None:
        self.removed.append(name)

    # the engine

    def get_state(self, name: str) -> ContainerState | None:
        return _next(self.states, otherwise=LIVES)

    @contextmanager
    def replay(self, name: str) -> Iterator[Played]:
        steps = self.replays.pop(0)
        if isinstance(steps, BaseException):
            raise steps
        yield Played(self.clock, steps, lambda: self.nonce)

    def kill(self, name: str, seconds: float) -> None:
        self.killed.append((name, self.clock.now))

    def wait_until_stopped(self, name: str) -> None:
        self.stopped.append(name)


def _next(planned: list[Any], otherwise: Any) -> Any:
    found = planned.pop(0) if planned else otherwise
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.fixture
def stage() -> Stage:
    return Stage()


def engine_away() -> EngineUnavailable:
    return EngineUnavailable("it is played")


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
        ("F 28", Failure.FAILED, "its starter failed: no space left on device."),
    ],
)
def test_mark_says_how_a_command_ended(stage, mark, failure, message):
    stage.instances = [["B", b"a part", mark]]
    outcome = stage.run()
    assert (outcome.failure, outcome.output, outcome.short_stdout) == (failure, b"", b"a part")
    assert message in outcome.message


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
        (ENDED, "its container was ended from outside (exit code 137)."),
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
    ("running_ms", "failure", "message"),
    [
        (70_000, Failure.TIMED_OUT, "ran past its Timeout of 60 seconds"),
        (10_000, Failure.FAILED, "ended from outside (exit code 137)"),
    ],
)
def test_what_was_killed_while_nobody_looked_is_told_by_its_deadline(
    stage, running_ms, failure, message
):
    stage.states = [ENDED, ENDED]
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
