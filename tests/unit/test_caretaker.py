"""What a sweep removes, what is taken over, and what a worker that ends leaves to others."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from dev.machine.waiting import wait_until
from funcsvc.model import BegunCall
from funcsvc.model.errors import EngineUnavailable, StoreUnavailable
from funcsvc.worker.caretaker import CareLimits, Caretaker
from funcsvc.worker.holds import Holds
from funcsvc.worker.instances import Counts
from tests.unit.clock import Clock

ME, DEAD, ALIVE = "me", "dead", "alive"
SECONDS = 10


@dataclass
class Stage:
    """A caretaker, and all that it meets."""

    containers: list[tuple[str, str]] = field(default_factory=list)
    in_use: set[str] = field(default_factory=set)
    owned: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    adoptable: list[BegunCall | Exception] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    left: list[list[str]] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    error: Exception | None = None
    worker: str = ME
    other_engine: str = "engine"
    tokens: int = 0
    engine_error: Exception | None = None
    removal_error: Exception | None = None
    removals: int = 0

    def __post_init__(self) -> None:
        self.clock, self.stopping, self.going_on = Clock(), threading.Event(), threading.Event()
        self.going_on.set()
        self.holds = Holds(self)
        limits = CareLimits(lease_seconds=15, max_taken_over=2)
        self.caretaker = Caretaker(
            self,
            self,
            self,
            self,
            self.holds,
            limits=limits,
            stopping=self.stopping,
            clock=self.clock,
        )

    def wait_for_kill(self, seconds: float) -> str | None:
        return self.kills[0] if self.kills else None

    def forget_kill(self, name: str) -> None:
        self.kills.remove(name)

    # the engine

    def list_containers(self) -> list[tuple[str, str]]:
        if self.engine_error:
            raise self.engine_error
        return self.containers

    def check(self) -> None:
        if self.error:
            raise self.error

    # the queue

    def renew_leases(self, tokens: list[str]) -> set[str]:
        return set()

    def finish_removals(self) -> None:
        self.removals += 1
        if self.removal_error:
            raise self.removal_error

    def get_containers_in_use(self, names: list[str]) -> set[str]:
        return self.in_use & set(names)

    def get_live_workers(self) -> dict[str, str]:
        return {ME: "engine", ALIVE: self.other_engine}

    @property
    def member(self) -> str:
        return f"{ME}@engine"

    def new_token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def adopt_call(self, token: str) -> BegunCall | None:
        found = self.adoptable.pop(0) if self.adoptable else None
        if isinstance(found, Exception):
            raise found
        return BegunCall(found, token, "", 1, "container", "nonce", 0) if found else None

    def leave(self, tokens: list[str]) -> None:
        self.left.append(tokens)
        if self.error:
            raise self.error

    # the pool

    def has(self, name: str) -> bool:
        return name in self.owned

    def remove(self, name: str) -> None:
        if self.error:
            raise self.error
        self.removed.append(name)

    def counts(self) -> Counts:
        return Counts()

    # the runner

    def take_over(self, call: BegunCall) -> None:
        assert self.going_on.wait(SECONDS)
        self.followed.append(call.id)
        if self.error:
            raise self.error


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize(
    ("worker", "in_use", "owned", "is_removed"),
    [
        (DEAD, False, False, True),
        (DEAD, True, False, False),  # a call may be running in it: it is taken over
        (DEAD, False, True, False),  # it is being removed already
        (ALIVE, False, False, False),
        (ALIVE, True, False, False),
        (ME, False, False, True),  # this worker has lost track of it
        (ME, False, True, False),
        (ME, True, False, False),  # it was left to the worker that holds its call
    ],
)
def test_sweep_removes_what_nobody_needs(stage, worker, in_use, owned, is_removed) -> None:
    stage.containers = [("c", worker)]
    stage.in_use = {"c"} if in_use else set()
    stage.owned = {"c"} if owned else set()
    stage.caretaker.sweep()
    assert stage.removed == (["c"] if is_removed else [])


def followed(stage: Stage, count: int) -> list[str]:
    """Return the calls that were followed to their ends, which must be so many."""
    for thread in threading.enumerate():
        if thread.name.startswith("Thread") and thread is not threading.current_thread():
            thread.join(SECONDS)
    assert len(stage.followed) == count
    return sorted(stage.followed)


def test_calls_of_dead_workers_are_taken_over(stage) -> None:
    stage.adoptable = ["a", "b"]
    stage.caretaker.take_over()
    assert followed(stage, 2) == ["a", "b"]
    assert stage.holds.tokens() == []


def test_only_so_many_calls_are_followed_at_once(stage) -> None:
    stage.adoptable = ["a", "b", "c"]
    stage.going_on.clear()
    stage.caretaker.take_over()
    assert len(stage.holds.tokens()) == 2
    stage.going_on.set()
    assert followed(stage, 2) == ["a", "b"]
    stage.caretaker.take_over()
    assert followed(stage, 3) == ["a", "b", "c"]


def test_nothing_is_taken_over_just_after_redis_was_away(stage) -> None:
    stage.adoptable = ["a"]
    stage.caretaker.note_failed_store(StoreUnavailable("it is a fake"))
    stage.caretaker.take_over()
    stage.clock.now += 14
    stage.caretaker.take_over()
    assert stage.adoptable == ["a"]
    stage.clock.now += 1
    stage.caretaker.take_over()
    assert followed(stage, 1) == ["a"]


def test_nothing_is_taken_over_by_a_worker_that_stops(stage) -> None:
    stage.adoptable = ["a"]
    stage.stopping.set()
    stage.caretaker.take_over()
    assert stage.adoptable == ["a"]


def test_failed_request_for_a_call_leaves_no_hold_behind(stage) -> None:
    stage.adoptable = [StoreUnavailable("it is a fake")]
    with pytest.raises(StoreUnavailable):
        stage.caretaker.take_over()
    assert stage.holds.tokens() == []


def test_requests_for_calls_that_fail_take_no_place_of_those_that_are_followed(stage) -> None:
    stage.adoptable = [StoreUnavailable("it is a fake") for _ in range(2)]
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            stage.caretaker.take_over()
    stage.adoptable = ["a", "b"]
    stage.caretaker.take_over()
    assert followed(stage, 2) == ["a", "b"]


@pytest.mark.parametrize("error", [EngineUnavailable("it is a fake"), RuntimeError("a defect")])
def test_failed_take_over_ends_its_hold(stage, error) -> None:
    stage.adoptable, stage.error = ["a"], error
    stage.caretaker.take_over()
    assert followed(stage, 1) == ["a"]
    assert stage.holds.tokens() == []


def test_container_of_a_removed_call_is_removed_and_then_forgotten(stage) -> None:
    stage.kills = ["a", "b"]
    for left in (["b"], [], []):
        stage.caretaker.kill_next()
        assert stage.kills == left
    assert stage.removed == ["a", "b"]


def test_container_that_can_not_be_removed_is_not_forgotten(stage) -> None:
    stage.kills, stage.error = ["a"], EngineUnavailable("it is a fake")
    with pytest.raises(EngineUnavailable):
        stage.caretaker.kill_next()
    assert stage.kills == ["a"]


def test_workers_on_another_engine_are_told_once(stage, caplog) -> None:
    for engine in ("engine", "other", "other", "third", "other"):
        stage.other_engine = engine
        stage.caretaker.sweep()
    told = [record.getMessage() for record in caplog.records if "another engine" in record.message]
    assert [("(other)" in line, "(third)" in line) for line in told] == [
        (True, False),
        (False, True),
    ]


def test_engine_that_failed_a_call_is_asked_before_the_next_is_taken(stage) -> None:
    assert stage.holds.engine_is_well()
    stage.error = EngineUnavailable("it is a fake")
    assert stage.holds.engine_is_well()  # nothing has failed, so nobody asks
    stage.adoptable = ["a"]
    stage.caretaker.take_over()
    followed(stage, 1)
    assert not stage.holds.engine_is_well()
    stage.error = None
    assert stage.holds.engine_is_well()


@pytest.mark.parametrize("error", [None, StoreUnavailable("it is a fake")])
def test_worker_that_ends_says_what_it_leaves(stage, error) -> None:
    stage.holds.add("token")
    stage.error = error
    assert stage.caretaker.leave() == 1
    assert stage.left == [["token"]]


def start_until_removals(stage: Stage) -> None:
    """Let the caretaker's threads work until they have tried to finish removals."""
    stage.caretaker.start()
    wait_until(lambda: stage.removals, "removals are finished")
    stage.caretaker.leave()
    followed(stage, len(stage.followed))


def test_removals_are_finished_also_while_the_engine_is_away(stage) -> None:
    stage.engine_error = EngineUnavailable("it is a fake")
    start_until_removals(stage)


def test_removals_that_fail_put_off_no_take_over(stage, caplog) -> None:
    stage.removal_error = StoreUnavailable("it is a fake")
    start_until_removals(stage)
    stage.adoptable = ["a"]
    stage.caretaker.take_over()
    assert followed(stage, 1) == ["a"]
    assert "the calls of deleted functions aren't removed yet" in caplog.text
