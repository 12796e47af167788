"""Watches how much the containers of running calls write to the engine's disk.

For storage drivers without a quota, and for the volumes of an image, which no quota counts.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from funcsvc.engine import FilesUncounted, WorkerEngine
from funcsvc.model.errors import CallFailed, FuncsvcError, WroteTooManyFiles, WroteTooMuch
from funcsvc.worker.clock import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DiskLimits:
    """How much a container may write, and how often to look. Times are in seconds."""

    max_bytes: int
    """0 means that nothing is watched."""
    first_seconds: float = 2
    """How long a call has run before the first look, so that short ones cost nothing."""
    look_seconds: float = 5
    """How long a look may take. A container whose files can't be counted in this is killed."""
    again_seconds: float = 5
    rest: int = 20
    """How many times as long as a look took its container is left alone afterwards."""
    tick_seconds: float = 1
    threads: int = 4
    """How many containers are looked at at once, so that one that takes long delays no other."""
    max_uncounted: int = 2
    """After how many looks in a row that took too long a call must end."""


@dataclass(eq=False)
class Watched:
    """A container whose call is running."""

    container: str
    due: float
    failure: CallFailed | None = None
    """Why its call must end, once it has written too much."""
    is_seen: bool = True
    uncounted: int = 0
    """How many looks in a row have taken too long while the engine answered otherwise."""


class DiskWatch:
    """Looks at a few containers at a time. Safe to share between threads."""

    def __init__(self, engine: WorkerEngine, limits: DiskLimits, clock: Clock = time) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads that look."""
        for _ in range(self._limits.threads if self._limits.max_bytes else 0):
            threading.Thread(target=self._look_for_ever, daemon=True).start()

    @contextmanager
    def watching(self, container: str) -> Iterator[Watched]:
        """Watch a container during the block."""
        watched = Watched(container, self._clock.monotonic() + self._limits.first_seconds)
        with self._lock:
            self._watched.add(watched)
        try:
            yield watched
        finally:
            with self._lock:
                self._watched.remove(watched)

    def look(self) -> None:
        """Look at each container that is due and that no other thread is looking at."""
        while watched := self._take_due():
            start, rest = self._clock.monotonic(), self._limits.rest
            try:
                self._look_at(watched)
                rest = 0 if watched.uncounted else rest
            finally:
                now = self._clock.monotonic()
                watched.due = now + max(self._limits.again_seconds, rest * (now - start))

    def _take_due(self) -> Watched | None:
        """Return the container that has been due for longest, which then isn't due any more."""
        with self._lock:
            due = [it for it in self._watched if it.due <= self._clock.monotonic()]
            first = min(due, key=lambda it: it.due, default=None)
            if first is not None:
                first.due = math.inf
        return first

    def _look_for_ever(self) -> None:
        while True:
            self._clock.sleep(self._limits.tick_seconds)
            try:
                self.look()
            except Exception:  # noqa: BLE001  # logged in full; the next look follows
                _log.exception("looking at what containers write failed unexpectedly")

    def _look_at(self, watched: Watched) -> None:
        """Measure what a container has written, or count in vain."""
        try:
            written = self._engine.get_disk_bytes(watched.container, self._limits.look_seconds)
        except FilesUncounted:
            self._note_uncounted(watched)
        except FuncsvcError as error:
            self._note_unseen(watched, error)
        else:
            watched.is_seen, watched.uncounted = True, 0
            if written > self._limits.max_bytes:
                watched.failure = WroteTooMuch(written, self._limits.max_bytes)

    def _note_uncounted(self, watched: Watched) -> None:
        """End a call whose files can't be counted, unless it is the engine that is slow."""
        try:
            self._engine.get_state(watched.container)
        except FuncsvcError as error:
            self._note_unseen(watched, error)
            return
        watched.uncounted += 1
        if watched.uncounted >= self._limits.max_uncounted:
            watched.failure = WroteTooManyFiles(self._limits.look_seconds)

    def _note_unseen(self, watched: Watched, error: FuncsvcError) -> None:
        """Log the first of several looks that fail."""
        if watched.is_seen:
            _log.warning(
                "what container %s writes can't be seen: %s", watched.container, error.message
            )
        watched.is_seen, watched.uncounted = False, 0
