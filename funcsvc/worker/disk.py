"""Watches how much the containers of running calls write to the engine's disk.

For storage drivers without a quota, and for the volumes of an image, which no quota counts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from funcsvc.engine import WorkerEngine
from funcsvc.model.errors import FuncsvcError, WroteTooMuch
from funcsvc.worker.clock import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DiskLimits:
    """How much a container may write, and how often to look. Times are in seconds."""

    max_bytes: int
    """0 means that nothing is watched."""
    first_seconds: float = 2
    """How long a call has run before the first look, so that short ones cost nothing."""
    again_seconds: float = 5
    rest: int = 20
    """How many times as long as a look took its container is left alone afterwards."""
    tick_seconds: float = 1


@dataclass(eq=False)
class Watched:
    """A container whose call is running."""

    container: str
    due: float
    failure: WroteTooMuch | None = None
    """Why its call must end, once it has written too much."""
    is_seen: bool = True


class DiskWatch:
    """Looks at one container at a time. Safe to share between threads."""

    def __init__(self, engine: WorkerEngine, limits: DiskLimits, clock: Clock = time) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread that looks."""
        if self._limits.max_bytes:
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
        """Look at each container that is due, one after another."""
        with self._lock:
            due = [it for it in self._watched if it.due <= self._clock.monotonic()]
        for watched in sorted(due, key=lambda it: it.due):
            self._look_at(watched)

    def _look_for_ever(self) -> None:
        while True:
            self._clock.sleep(self._limits.tick_seconds)
            try:
                self.look()
            except Exception:  # noqa: BLE001  # logged in full; the next look follows
                _log.exception("looking at what containers write failed unexpectedly")

    def _look_at(self, watched: Watched) -> None:
        start = self._clock.monotonic()
        try:
            written = self._engine.get_disk_bytes(watched.container)
        except FuncsvcError as error:
            self._note_unseen(watched, error)
        else:
            watched.is_seen = True
            if written > self._limits.max_bytes:
                watched.failure = WroteTooMuch(written, self._limits.max_bytes)
        now = self._clock.monotonic()
        watched.due = now + max(self._limits.again_seconds, self._limits.rest * (now - start))

    def _note_unseen(self, watched: Watched, error: FuncsvcError) -> None:
        """Log the first of several looks that fail."""
        if watched.is_seen:
            _log.warning(
                "what container %s writes can't be seen: %s", watched.container, error.message
            )
        watched.is_seen = False
