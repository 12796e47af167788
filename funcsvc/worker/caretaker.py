"""What keeps a worker's calls and containers in order: leases, taking over, sweeping."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass

from funcsvc.engine import WorkerEngine
from funcsvc.model import BegunCall
from funcsvc.model.errors import FuncsvcError, StoreUnavailable
from funcsvc.store import CallQueue
from funcsvc.worker.clock import Clock
from funcsvc.worker.holds import Holds
from funcsvc.worker.instances import InstancePool
from funcsvc.worker.runner import Runner

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CareLimits:
    """How often there is a look, and how much is taken over; times are in seconds."""

    lease_seconds: float
    max_taken_over: int
    """How many calls of dead workers are followed at once, besides the slots."""
    retry_seconds: float = 0.5
    log_seconds: float = 60
    """How often at most the waiting instances are logged."""

    @property
    def look_seconds(self) -> float:
        """How often leases are renewed, and what is left is looked for."""
        return self.lease_seconds / 3


class Caretaker:
    """Renews the leases of one worker, takes over what dead workers left running, and sweeps."""

    def __init__(  # noqa: PLR0913  # each is a part of the worker
        self,
        queue: CallQueue,
        engine: WorkerEngine,
        pool: InstancePool,
        runner: Runner,
        holds: Holds,
        *,
        limits: CareLimits,
        stopping: threading.Event,
        clock: Clock = time,
    ) -> None:
        self._queue = queue
        self._engine = engine
        self._pool = pool
        self._runner = runner
        self._holds = holds
        self._limits = limits
        self._stopping = stopping
        self._clock = clock
        self._free_follows = threading.BoundedSemaphore(limits.max_taken_over)
        self._has_left = threading.Event()
        self._store_failed_at = self._logged_at = -math.inf
        self._logged = pool.counts()

    def start(self) -> None:
        """Start the threads: one renews leases, one takes over and sweeps."""
        for work in (self._keep_leases, self._look_after):
            threading.Thread(target=work, daemon=True).start()

    def leave(self) -> int:
        """Renew no more leases, so that others take over what is held; return how much that is."""
        self._has_left.set()
        tokens = self._holds.tokens()
        try:
            self._queue.leave(tokens)
        except StoreUnavailable as error:
            _log.warning("%s What is left is taken over when its lease ends.", error.message)
        return len(tokens)

    def note_failed_store(self, error: StoreUnavailable) -> None:
        """Wait a moment; and let other workers renew their leases before any is taken over."""
        _log.warning("%s", error.message)
        self._store_failed_at = self._clock.monotonic()
        self._clock.sleep(self._limits.retry_seconds)

    def take_over(self) -> None:
        """Take over what there is; not just after Redis was away, when every lease looks over."""
        if self._clock.monotonic() < self._store_failed_at + self._limits.lease_seconds:
            return
        while not self._stopping.is_set() and self._free_follows.acquire(blocking=False):
            call = self._adopt()
            if call is None:
                self._free_follows.release()
                return
            threading.Thread(target=self._follow, args=(call,), daemon=True).start()

    def sweep(self) -> None:
        """Remove the containers of dead workers, and those that this one has lost track of.

        The list comes first, so that nothing in it has only just been made.
        """
        found = self._engine.list_containers()
        in_use = self._queue.get_containers_in_use([name for name, _ in found])
        live = self._queue.get_live_workers() - {self._queue.worker}
        for name, worker in found:
            if name not in in_use and worker not in live and not self._pool.has(name):
                _log.info("container %s is not needed by anyone: it is removed", name)
                self._pool.remove(name)

    def _keep_leases(self) -> None:
        while not self._has_left.is_set():
            try:
                self._queue.renew_leases(self._holds.tokens())
                self._has_left.wait(self._limits.look_seconds)
            except StoreUnavailable as error:
                self.note_failed_store(error)

    def _look_after(self) -> None:
        while True:
            try:
                self.take_over()
                self.sweep()
                self._log_counts()
            except StoreUnavailable as error:
                self.note_failed_store(error)
            except FuncsvcError as error:
                _log.warning("looking after what is left: %s", error.message)
            except Exception:  # noqa: BLE001  # logged whole; the next look comes
                _log.exception("looking after what is left failed unexpectedly")
            self._clock.sleep(self._limits.look_seconds)

    def _adopt(self) -> BegunCall | None:
        token, call = self._queue.new_token(), None
        self._holds.add(token)
        try:
            call = self._queue.adopt_call(token)
        finally:
            if call is None:
                self._holds.discard(token)
        return call

    def _follow(self, call: BegunCall) -> None:
        with self._holds.ending(call):
            self._runner.take_over(call)
        self._free_follows.release()

    def _log_counts(self) -> None:
        """Log what waits, and how many calls met an instance, when that has changed."""
        counts, now = self._pool.counts(), self._clock.monotonic()
        if counts != self._logged and now > self._logged_at + self._limits.log_seconds:
            self._logged, self._logged_at = counts, now
            _log.info(
                "%s instances wait; %s calls met one and %s none; %s were made, %s retired",
                counts.waiting,
                counts.met,
                counts.missed,
                counts.made,
                counts.retired,
            )
