"""Looks after calls and containers: renews leases, takes over, sweeps, finishes removals."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
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
    """How often the caretaker works, and how much it takes over. Times are in seconds."""

    lease_seconds: float
    max_taken_over: int
    """How many calls of dead workers are followed at once, in addition to the slots."""
    retry_seconds: float = 0.5
    kill_wait_seconds: float = 2
    """How long one wait for a call to kill lasts."""
    log_seconds: float = 60
    """How long to wait between log lines about waiting instances."""

    @property
    def look_seconds(self) -> float:
        """How often to renew leases, and to look for what dead workers have left."""
        return self.lease_seconds / 3


class Caretaker:
    """Renews one worker's leases, takes over calls of dead workers, and removes containers."""

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
        self._known_engines: set[str] = set()

    def start(self) -> None:
        """Start four threads.

        They renew leases, take over and sweep, kill removed calls, and finish removals.
        """
        for work in (
            self._keep_leases,
            self._look_after,
            self._kill_removed,
            self._finish_removals,
        ):
            threading.Thread(target=work, daemon=True).start()

    def leave(self) -> int:
        """Stop renewing leases, so that others take over. Return how many calls are left."""
        self._has_left.set()
        tokens = self._holds.tokens()
        try:
            self._queue.leave(tokens)
        except StoreUnavailable as error:
            _log.warning(
                "%s The remaining calls are taken over when their leases expire.", error.message
            )
        return len(tokens)

    def note_failed_store(self, error: StoreUnavailable) -> None:
        """Pause, and put off taking over, so that other workers can renew their leases first."""
        _log.warning("%s", error.message)
        self._store_failed_at = self._clock.monotonic()
        self._clock.sleep(self._limits.retry_seconds)

    def take_over(self) -> None:
        """Take over the calls of dead workers.

        Does nothing soon after Redis has failed, when every lease looks expired.
        """
        if self._clock.monotonic() < self._store_failed_at + self._limits.lease_seconds:
            return
        while not self._stopping.is_set() and self._free_follows.acquire(blocking=False):
            is_followed = False
            try:
                is_followed = self._take_over_one()
            finally:
                if not is_followed:
                    self._free_follows.release()
            if not is_followed:
                return

    def sweep(self) -> None:
        """Remove the containers of dead workers, and those that this worker has lost track of.

        Containers are listed first, so that one made in the meantime isn't mistaken for unused.
        """
        found = self._engine.list_containers()
        in_use = self._queue.get_containers_in_use([name for name, _ in found])
        others = self._queue.get_live_workers()
        others.pop(self._queue.worker, None)
        for name, worker in found:
            if name not in in_use and worker not in others and not self._pool.has(name):
                _log.info("container %s is not in use: it is removed", name)
                self._pool.remove(name)
        self._tell_engines(set(others.values()))

    def kill_next(self) -> None:
        """Remove the container of a call that was removed while it ran. Wait a while for one."""
        name = self._queue.wait_for_kill(self._limits.kill_wait_seconds)
        if name is not None:
            _log.info("container %s is removed with its call, which was running", name)
            self._engine.remove(name)
            self._queue.forget_kill(name)

    def _kill_removed(self) -> None:
        while not self._has_left.is_set():
            try:
                self.kill_next()
            except StoreUnavailable as error:
                self.note_failed_store(error)
            except FuncsvcError as error:
                _log.warning("a removed call can't be killed yet: %s", error.message)
                self._clock.sleep(self._limits.retry_seconds)
            except Exception:  # noqa: BLE001  # logged in full; the next one follows
                _log.exception("killing a removed call failed unexpectedly")
                self._clock.sleep(self._limits.retry_seconds)

    def _tell_engines(self, engines: set[str]) -> None:
        """Say once for each other engine that this service's calls also run there."""
        own = self._queue.member.partition("@")[2]
        for engine in engines - {own} - self._known_engines:
            _log.warning(
                "this service also has workers on another engine (%s): each call runs on either, "
                "so both need every function's image. If that isn't wanted, two services share "
                "one Redis: give each its own, or its own FUNCSVC_REDIS_PREFIX.",
                engine,
            )
        self._known_engines |= engines

    def _keep_leases(self) -> None:
        while not self._has_left.is_set():
            try:
                self._queue.renew_leases(self._holds.tokens())
                self._has_left.wait(self._limits.look_seconds)
            except StoreUnavailable as error:
                self.note_failed_store(error)

    def _look_after(self) -> None:
        self._at_each_look(self._take_over_and_sweep, "taking over or sweeping failed")

    def _take_over_and_sweep(self) -> None:
        try:
            self.take_over()
            self.sweep()
            self._log_counts()
        except StoreUnavailable as error:
            self.note_failed_store(error)

    def _finish_removals(self) -> None:
        """Their trouble puts off no other work, as `note_failed_store` would."""
        failure = "the calls of deleted functions aren't removed yet"
        self._at_each_look(self._queue.finish_removals, failure)

    def _at_each_look(self, work: Callable[[], object], failure: str) -> None:
        """Work again and again until this worker leaves. What fails is left to the next look."""
        while not self._has_left.is_set():
            try:
                work()
            except FuncsvcError as error:
                _log.warning("%s: %s", failure, error.message)
            except Exception:  # noqa: BLE001  # logged in full
                _log.exception("%s: an unexpected error.", failure)
            self._has_left.wait(self._limits.look_seconds)

    def _take_over_one(self) -> bool:
        """Take over a call, and have a thread follow it. Return False if no worker left one."""
        token, is_followed = self._queue.new_token(), False
        self._holds.add(token)
        try:
            call = self._queue.adopt_call(token)
            if call is not None:
                threading.Thread(target=self._follow, args=(call,), daemon=True).start()
                is_followed = True
        finally:
            if not is_followed:
                self._holds.discard(token)
        return is_followed

    def _follow(self, call: BegunCall) -> None:
        try:
            with self._holds.guarded(call):
                self._runner.take_over(call)
        finally:
            self._free_follows.release()

    def _log_counts(self) -> None:
        """Log how many instances wait and how many calls met one, if that has changed."""
        counts, now = self._pool.counts(), self._clock.monotonic()
        if counts != self._logged and now > self._logged_at + self._limits.log_seconds:
            self._logged, self._logged_at = counts, now
            _log.info(
                "%s instances are waiting; %s calls met one, %s did not; %s were made, %s retired",
                counts.waiting,
                counts.met,
                counts.missed,
                counts.made,
                counts.retired,
            )
