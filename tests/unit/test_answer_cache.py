"""The cache of the engine's answers: how long, for whom, and what is not cached."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine.answer_cache import MAX_REMEMBERED, AnswerCache


class Counter:
    """An answer that counts how often it was asked for."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        return self.times


class Gate:
    """A slow answer. Threads that ask wait until it is opened."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = Event()
        self.opened = Event()
        self.times = 0
        self._error = error

    def __call__(self) -> str:
        self.times += 1
        self.asked.set()
        assert self.opened.wait(PATIENCE_SECONDS)
        if self._error:
            raise self._error
        return "answer"


def wait_until_all_ask(memory: AnswerCache, gate: Gate, threads: int, pool: ThreadPoolExecutor):
    """Return the futures of threads that ask for one key, once one of them has reached the gate."""
    begin = Barrier(threads + 1)

    def ask() -> str:
        begin.wait(PATIENCE_SECONDS)
        return memory.get("key", gate)

    asking = [pool.submit(ask) for _ in range(threads)]
    begin.wait(PATIENCE_SECONDS)
    assert gate.asked.wait(PATIENCE_SECONDS)
    return asking


def test_answer_is_remembered():
    memory, ask = AnswerCache(60), Counter()
    assert [memory.get("key", ask) for _ in range(3)] == [1, 1, 1]


def test_answers_are_remembered_by_key():
    memory, ask = AnswerCache(60), Counter()
    assert [memory.get(key, ask) for key in ("a", "b", "a", "b")] == [1, 2, 1, 2]


def test_answer_is_asked_for_again_after_its_time():
    memory, ask = AnswerCache(0.05), Counter()
    assert memory.get("key", ask) == 1
    expired = Event()
    while memory.get("key", ask) == 1:
        expired.wait(0.01)
    assert ask.times == 2


def test_nothing_is_remembered_for_no_seconds():
    memory, ask = AnswerCache(0), Counter()
    assert [memory.get("key", ask) for _ in range(3)] == [1, 2, 3]


def test_none_is_not_remembered():
    memory, answers = AnswerCache(60), iter([None, None, "image"])
    assert [memory.get("key", lambda: next(answers)) for _ in range(4)] == [
        None,
        None,
        "image",
        "image",
    ]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_error_is_raised_and_not_remembered(error):
    memory, ask = AnswerCache(60), Counter()

    def fail() -> int:
        raise error

    for _ in range(2):
        with pytest.raises(type(error)):
            memory.get("key", fail)
    assert memory.get("key", ask) == 1


def test_threads_share_one_request_and_its_answer():
    memory, gate = AnswerCache(60), Gate()
    with ThreadPoolExecutor(8) as pool:
        asking = wait_until_all_ask(memory, gate, 8, pool)
        gate.opened.set()
        assert [future.result(10) for future in asking] == ["answer"] * 8
    assert gate.times == 1


def test_threads_share_one_request_and_its_error():
    memory, gate = AnswerCache(60), Gate(ValueError("engine down"))
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(memory.get, "key", gate)]
        assert gate.asked.wait(PATIENCE_SECONDS)
        waiting = Event()
        asking += [pool.submit(lambda: (waiting.set(), memory.get("key", Counter()))) for _ in "ab"]
        assert waiting.wait(PATIENCE_SECONDS)
        gate.opened.set()
        assert isinstance(asking[0].exception(10), ValueError)
        for future in asking[1:]:  # it shared the error, or came later and asked again
            error = future.exception(10)
            assert error is None or isinstance(error, ValueError)
    assert gate.times == 1


def test_slow_answer_of_one_key_holds_up_no_other():
    memory, gate = AnswerCache(60), Gate()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(memory.get, "slow", gate)
        assert gate.asked.wait(PATIENCE_SECONDS)
        assert memory.get("fast", lambda: "at once") == "at once"
        assert not slow.done()
        gate.opened.set()
        assert slow.result(10) == "answer"


def test_memory_is_bounded_and_gives_up_the_oldest():
    memory = AnswerCache(60)
    for number in range(MAX_REMEMBERED + 1):
        memory.get(str(number), lambda: "old")
    ask = Counter()
    assert memory.get(str(MAX_REMEMBERED), ask) == "old"
    assert memory.get("0", ask) == 1
