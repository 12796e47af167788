"""Removes containers off the critical path, each until it is gone."""

from __future__ import annotations

import logging
import threading
import time
from queue import Full, Queue

from funcsvc.engine.call_engine import CallEngine
from funcsvc.errors import EngineUnavailable

THREADS = 2
MAX_TRIES = 20
RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Remover:
    """Two threads that remove. Where `max_waiting` wait already, who brings one does it itself."""

    def __init__(self, engine: CallEngine, max_waiting: int) -> None:
        self._engine = engine
        self._names: Queue[str] = Queue(max_waiting)
        self._going: set[str] = set()

    def start(self) -> None:
        """Start the threads."""
        for _ in range(THREADS):
            threading.Thread(target=self._work, daemon=True).start()

    def remove(self, name: str) -> None:
        """Have a container removed, whether it is there or not."""
        self._going.add(name)
        try:
            self._names.put_nowait(name)
        except Full:
            self._try(name)
            self._going.discard(name)

    def removes(self, name: str) -> bool:
        """Tell whether a container is about to be removed anyway."""
        return name in self._going

    def wait_until_done(self, seconds: float) -> None:
        """Return when nothing waits any more, or when the time is over."""
        end = time.monotonic() + seconds
        while self._names.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.02)

    def _work(self) -> None:
        while True:
            name = self._names.get()
            for _ in range(MAX_TRIES):
                if self._try(name):
                    break
                time.sleep(RETRY_SECONDS)
            self._going.discard(name)
            self._names.task_done()

    def _try(self, name: str) -> bool:
        """Remove once; what can't be removed now is found by a sweep."""
        try:
            self._engine.instances.remove(name)
        except EngineUnavailable as error:
            _log.warning("container %s can't be removed yet: %s", name, error.message)
            return False
        return True
