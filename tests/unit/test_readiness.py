"""The look that health checks share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev import servers
from funcsvc.web.readiness import (
    HEALTH_THREADS,
    MAX_WAITING,
    OVERDUE_SECONDS,
    REMEMBERED_SECONDS,
    STALE_SECONDS,
    SharedLook,
)
from tests.unit.clock import Clock

NOT_YET = ["Redis and the Docker Engine haven't answered yet."]


class Look:
    """A look that waits for the test, and counts."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.times = 0

    def __call__(self) -> list[str]:
        self.times += 1
        self.begun.set()
        assert self.go.wait(30)
        return [str(self.times)]


def test_look_is_remembered_for_a_second():
    clock, look = Clock(), Look()
    look.go.set()
    shared = SharedLook(look, clock.monotonic)
    assert [shared.get(), shared.get()] == [["1"], ["1"]]
    clock.now += REMEMBERED_SECONDS
    assert shared.get() == ["1"]
    clock.now += 0.1
    assert shared.get() == ["2"]


def test_checks_while_the_engine_stands_still_share_one_look_and_few_wait():
    clock, look = Clock(), Look()
    shared = SharedLook(look, clock.monotonic)
    with ThreadPoolExecutor(1 + MAX_WAITING) as threads:
        first = threads.submit(shared.get)
        assert look.begun.wait(30)
        others = [threads.submit(shared.get) for _ in range(MAX_WAITING)]
        servers.wait_until(lambda: shared._waiting == MAX_WAITING, "they wait")
        clock.now += OVERDUE_SECONDS
        assert [shared.get() for _ in range(100)] == [NOT_YET] * 100
        look.go.set()
        assert [it.result(30) for it in (first, *others)] == [["1"]] * (1 + MAX_WAITING)
    assert look.times == 1


@pytest.mark.parametrize(("age", "known"), [(STALE_SECONDS, ["1"]), (STALE_SECONDS + 1, None)])
def test_last_look_is_told_while_a_new_one_is_made_unless_it_is_old(age, known):
    clock, look = Clock(), Look()
    look.go.set()
    shared = SharedLook(look, clock.monotonic)
    shared.get()
    look.go.clear()
    look.begun.clear()
    clock.now += age
    with ThreadPoolExecutor(2) as threads:
        new = threads.submit(shared.get)
        assert look.begun.wait(30)
        second = threads.submit(shared.get)
        if known:
            assert second.result(30) == known
        else:
            servers.wait_until(lambda: shared._waiting, "it waits")
        look.go.set()
        assert new.result(30) == ["2"]
        assert second.result(30) == (known or ["2"])


@pytest.mark.parametrize("quiet_seconds", [None, STALE_SECONDS + 2])
def test_simultaneous_checks_of_a_healthy_service_wait_for_its_look(quiet_seconds):
    """At the start, and after a time without checks, when the last look is old."""
    clock, look = Clock(), Look()
    shared = SharedLook(look, clock.monotonic, overdue_seconds=30)
    if quiet_seconds is not None:
        look.go.set()
        shared.get()
        look.go.clear()
        clock.now += quiet_seconds
    with ThreadPoolExecutor(HEALTH_THREADS) as threads:
        checks = [threads.submit(shared.get) for _ in range(3 * HEALTH_THREADS)]
        servers.wait_until(lambda: shared._waiting == HEALTH_THREADS - 1, "they wait")
        look.go.set()
        told = [it.result(30) for it in checks]
    assert told == [[str(look.times)]] * len(checks)


def test_look_that_fails_leaves_nobody_waiting():
    def fail() -> list[str]:
        raise ZeroDivisionError

    shared = SharedLook(fail)
    with pytest.raises(ZeroDivisionError):
        shared.get()
    assert shared.get() == ["The service failed unexpectedly; its log says more."]
