"""Requests without pause, from several clients, while a test replaces what answers them."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from dev import servers

CLIENTS = 4


class Answers:
    """The answers so far: each status, and each error by its text, with its count."""

    def __init__(self) -> None:
        self.counts: Counter[object] = Counter()
        self._lock = threading.Lock()

    def add(self, ask: Callable[[], servers.Answer]) -> None:
        """Send one request, and count what comes of it."""
        try:
            answer = ask()
            outcome: object = (
                answer.status if answer.status == 200 else (answer.status, answer.body)
            )
        except Exception as error:  # noqa: BLE001  # each is a lost request
            outcome = repr(error)
        with self._lock:
            self.counts[outcome] += 1

    def wait_for_more(self, count: int = 40) -> None:
        """Wait until so many more requests have been answered."""
        goal = self.counts[200] + count
        servers.wait_until(lambda: self.counts[200] >= goal, "more requests are answered")

    def assert_all_200(self) -> None:
        """Check that no request has failed."""
        assert set(self.counts) == {200}, self.counts


@contextlib.contextmanager
def under_load(web: servers.Service, *requests: tuple[str, str, bytes | None]) -> Iterator[Answers]:
    """Send these requests in turn, over a connection each. They are methods, paths and bodies."""
    answers = Answers()
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            for request in requests:
                answers.add(lambda given=request: web.request(*given))

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        answers.wait_for_more()
        yield answers
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
