"""Removes containers off the critical path, each until it is gone.

The end of a container costs its engine some 100 ms of work, and so does the start of the next one.
Both wait a moment, in which the answer of the call goes out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Full, Queue

from funcsvc.engine import Instance, WorkerEngine
from funcsvc.model.errors import EngineUnavailable

THREADS = 2
MAX_TRIES = 20
RETRY_SECONDS = 1.0
SETTLE_SECONDS = 0.02

_log = logging.getLogger(__name__)


class Remover:
    """Two threads that remove. Where `max_waiting` wait already, who brings one does it itself."""

    def __init__(self, engine: WorkerEngine, max_waiting: int) -> None:
        self._engine = engine
        self._waiting: Queue[tuple[float, str, Instance | None]] = Queue(max_waiting)
        self._going: set[str] = set()
        self.when_removed: Callable[[], None] = lambda: None
        """What is called after each removal."""

    def start(self) -> None:
        """Start the threads."""
        for _ in range(THREADS):
            threading.Thread(target=self._work, daemon=True).start()

    def remove(self, name: str, instance: Instance | None = None) -> None:
        """Have a container removed, whether it is there or not, after detaching from it."""
        self._going.add(name)
        try:
            self._waiting.put_nowait((time.monotonic() + SETTLE_SECONDS, name, instance))
        except Full:
            self._remove(name, instance, tries=1)

    def removes(self, name: str) -> bool:
        """Tell whether a container is about to be removed anyway."""
        return name in self._going

    def wait_until_done(self, seconds: float) -> None:
        """Return when nothing waits any more, or when the time is over."""
        end = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.02)

    def _work(self) -> None:
        while True:
            due, name, instance = self._waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                self._remove(name, instance)
                self.when_removed()
            except Exception:  # noqa: BLE001  # logged whole; a sweep finds the container
                _log.exception("the removal of a container failed in a way it should not")
            self._waiting.task_done()

    def _remove(self, name: str, instance: Instance | None, tries: int = MAX_TRIES) -> None:
        if instance is not None:
            instance.close()
        for _ in range(tries):
            if self._try(name) or tries == 1:
                break
            time.sleep(RETRY_SECONDS)
        self._going.discard(name)

    def _try(self, name: str) -> bool:
        """Remove once; what can't be removed now is found by a sweep."""
        try:
            self._engine.instances.remove(name)
        except EngineUnavailable as error:
            _log.warning("container %s can't be removed yet: %s", name, error.message)
            return False
        return True
