"""How many instances wait, of which func, and which of them a call gets."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from funcsvc.config import load_settings
from funcsvc.model import Func, Image
from funcsvc.model.errors import EngineUnavailable
from funcsvc.schemas import FuncSchema
from funcsvc.worker.waiting import PATIENCE_SECONDS, WaitingInstances, may_wait

IMAGE, OTHER_IMAGE = Image("sha256:1", ["sh"], []), Image("sha256:2", ["sh"], [])


@dataclass
class FakeInstance:
    """An instance that waits; it ends when a test says so."""

    name: str
    func: Func
    waited: bool = False
    ended: bool = False
    closed: bool = False

    def has_broken(self) -> bool:
        return self.ended

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEngine:
    """An engine that starts what it is asked for at once."""

    started: list[FakeInstance] = field(default_factory=list)
    fails: bool = False
    image: Image = IMAGE

    @property
    def instances(self) -> FakeEngine:
        return self

    def new_name(self) -> str:
        return f"i{len(self.started)}"

    def has_image(self, func: Func, image: Image) -> bool:
        return self.image.id == image.id

    def start_instance(self, name: str, func: Func, image: Image) -> FakeInstance:
        if self.fails:
            raise EngineUnavailable("it is a fake")
        self.started.append(FakeInstance(name, func))
        return self.started[-1]


class Pool:
    """Waiting instances over the fake engine, on a clock of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
        self.now = 1000.0
        monkeypatch.setattr("funcsvc.worker.waiting.time.monotonic", lambda: self.now)
        given = {f"FUNCSVC_{name.upper()}": str(value) for name, value in settings.items()}
        self.engine, self.removed = FakeEngine(), []
        self.waiting = WaitingInstances(
            self.engine, load_settings(given), self.removed.append, lambda: True
        )
        self.definitions: dict[str, str] = {}
        self.claimed: list[str] = []

    def call(self, name: str, image: Image = IMAGE, version: str = "1", **fields: object):
        self.definitions[name] = version
        return self.waiting.take(new_func(name, **fields), version, image, self.claimed.append)

    def make(self) -> int:
        """Make all that is wanted; return how many wait."""
        for _ in range(100):
            if not self.waiting._make_one():
                break
        return self.waiting.counts().waiting

    def look(self) -> int:
        """Retire what is stale; return how many wait."""
        self.waiting._retire_stale(
            lambda names: {
                name: self.definitions[name] for name in names if name in self.definitions
            }
        )
        return self.waiting.counts().waiting


@pytest.fixture
def pool(monkeypatch):
    return Pool(monkeypatch)


def new_func(name: str, **fields: object) -> Func:
    return FuncSchema().load_new({"Name": name, "Config": {"Image": "x", "Cmd": "y"}, **fields})


def test_first_call_meets_none_and_the_second_one(pool) -> None:
    assert pool.call("a") is None
    assert pool.make() == 1
    taken = pool.call("a")
    assert taken is pool.engine.started[0]
    assert (taken.waited, taken.closed) == (True, False)
    counts = pool.waiting.counts()
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
def test_number_follows_the_rate(pool, calls_per_second: float, expected: int) -> None:
    for _ in range(100):
        pool.now += 1 / calls_per_second
        pool.call("a")
    assert pool.make() == pytest.approx(expected, abs=1)
    assert pool.waiting.counts().waiting <= 10


def test_number_falls_when_calls_stop(pool) -> None:
    for _ in range(60):
        pool.now += 0.2
        pool.call("a")
    assert pool.make() == 10
    pool.now += 31
    assert pool.look() == 1
    pool.now += 600
    assert pool.look() == 0
    assert pool.make() == 0


def test_zero_turns_it_off(monkeypatch) -> None:
    pool = Pool(monkeypatch, waiting_per_func=0)
    assert pool.call("a") is None
    assert pool.make() == 0


@pytest.mark.parametrize(("image", "version"), [(OTHER_IMAGE, "1"), (IMAGE, "2")])
def test_instance_of_another_version_is_retired_at_the_call(pool, image, version) -> None:
    pool.call("a")
    pool.make()
    assert pool.call("a", image=image, version=version) is None
    assert pool.removed == ["i0"]
    assert pool.engine.started[0].closed


@pytest.mark.parametrize("what", ["updated", "removed", "image"])
def test_instance_of_another_version_is_retired_without_a_call(pool, what) -> None:
    pool.call("a")
    pool.make()
    if what == "updated":
        pool.definitions["a"] = "2"
    elif what == "removed":
        del pool.definitions["a"]
    else:
        pool.engine.image = OTHER_IMAGE
    assert pool.look() == 0
    assert pool.removed == ["i0"]
    assert pool.make() == 0


def test_instance_that_ended_is_never_given(pool) -> None:
    for _ in range(5):
        pool.call("a")
    pool.make()
    for one in pool.engine.started[:-1]:
        one.ended = True
    assert pool.call("a") is pool.engine.started[-1]
    assert pool.removed == [one.name for one in pool.engine.started[:-1]]


def test_instance_that_ended_is_replaced(pool) -> None:
    pool.call("a")
    pool.make()
    pool.engine.started[0].ended = True
    assert pool.look() == 0
    assert pool.make() == 1


def test_bound_of_the_worker_holds(monkeypatch) -> None:
    pool = Pool(monkeypatch, waiting_instances=3)
    for name in "abcde":
        pool.call(name)
    assert pool.make() == 3


def test_bound_of_memory_holds(monkeypatch) -> None:
    pool = Pool(monkeypatch, waiting_memory_bytes=1100 * 1024 * 1024)
    for name in "abc":
        pool.call(name, ContainerSize="s4")
    assert pool.make() == 2


def test_least_recently_called_func_gives_way(monkeypatch) -> None:
    pool = Pool(monkeypatch, waiting_instances=2)
    for name in "ab":
        pool.call(name)
        pool.now += 1
    assert pool.make() == 2
    pool.now += PATIENCE_SECONDS
    pool.call("c")
    assert pool.make() == 2
    retired = {one.name: one.func.name for one in pool.engine.started if one.closed}
    assert retired == {pool.removed[0]: "a"}


def test_funcs_that_are_called_in_turn_take_nothing_from_each_other(monkeypatch) -> None:
    pool = Pool(monkeypatch, waiting_instances=1)
    pool.call("a")
    pool.make()
    pool.call("b")
    pool.make()
    assert pool.removed == []


def test_engine_that_fails_is_left_alone_for_a_while(pool) -> None:
    pool.call("a")
    pool.engine.fails = True
    assert pool.make() == 0
    pool.engine.fails = False
    assert pool.make() == 0
    pool.now += 6
    assert pool.make() == 1


def test_name_is_claimed_before_it_leaves(pool) -> None:
    pool.call("a")
    pool.make()
    taken = pool.call("a")
    assert pool.claimed == [taken.name]


def test_close_retires_all_and_makes_no_more(pool) -> None:
    pool.call("a")
    pool.make()
    pool.waiting.close()
    assert pool.removed == ["i0"]
    pool.call("a")
    assert pool.make() == 0


def test_many_threads_never_get_one_instance_twice(pool) -> None:
    for _ in range(50):
        pool.call("a")
    pool.make()
    taken: list[FakeInstance] = []
    threads = [threading.Thread(target=lambda: taken.append(pool.call("a"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [one.name for one in taken if one]
    assert len(names) == len(set(names)) == 10


@pytest.mark.parametrize(
    ("host_config", "expected"),
    [
        ({}, True),
        ({"NetworkMode": "host"}, True),
        ({"PublishAllPorts": True}, True),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}}, True),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8000"}]}}, False),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8000-8010"}]}}, False),
        ({"Links": ["a:b"]}, False),
        ({"VolumesFrom": ["a"]}, False),
        ({"NetworkMode": "container:a"}, False),
    ],
)
def test_what_is_tied_to_others_may_not_wait(host_config, expected) -> None:
    assert may_wait(new_func("a", HostConfig=host_config)) is expected
