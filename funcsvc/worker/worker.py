"""`funcsvc worker`: takes calls off the queue and runs them in its slots.

Its threads, all of them daemons: one for each slot runs calls, one renews leases, one takes over
and sweeps, one makes instances, two remove containers. What a killed worker leaves, another takes
over.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

from funcsvc.config import Settings
from funcsvc.engine import DockerWorkerEngine, WorkerEngine
from funcsvc.model import ReservedCall
from funcsvc.model.errors import FuncsvcError, StoreUnavailable
from funcsvc.store import CallQueue, open_stores
from funcsvc.worker.caretaker import CareLimits, Caretaker
from funcsvc.worker.following import Follower, FollowLimits
from funcsvc.worker.holds import Holds
from funcsvc.worker.instances import DemandLimits, InstancePool, PoolLimits
from funcsvc.worker.runner import Runner

WAIT_SECONDS = 2
"""How long one wait for a call lasts; a wake that was lost costs no more than that."""

MAX_TAKEN_OVER = 64

OTHER_THREADS = 8
"""How many threads besides slots and take-overs use Redis, at most."""

RETRY_SECONDS = 0.5
"""How long to wait before an engine or a Redis that failed is asked again."""

IDLE_SECONDS = 8
"""How long a worker that ends waits for the containers that are being made and removed."""

_log = logging.getLogger(__name__)


def make_worker(settings: Settings, stopping: threading.Event) -> Worker | None:
    """Return a worker that is ready to run, or None if it was stopped before.

    Waits for a Redis and an engine that aren't there yet.
    """
    threads = settings.slots + MAX_TAKEN_OVER + OTHER_THREADS
    stores, engine = open_stores(settings, max_threads=threads), DockerWorkerEngine(settings)
    while not stopping.is_set():
        try:
            stores.funcs.check()
            queue = stores.open_queue(engine.find_id())
            engine.prepare(queue.get_service(), queue.worker)
            queue.renew_leases([])
            return Worker(queue, engine, settings, stopping)
        except FuncsvcError as error:
            _log.warning("the worker can't begin yet: %s", error.message)
            stopping.wait(RETRY_SECONDS)
    return None


class Worker:
    """One worker process on one engine. `run` returns when it was stopped."""

    def __init__(
        self, queue: CallQueue, engine: WorkerEngine, settings: Settings, stopping: threading.Event
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._stopping = stopping
        self._free_slots = threading.Semaphore(settings.slots)
        self._calls: SimpleQueue[ReservedCall] = SimpleQueue()
        self._holds = Holds(engine)
        self._pool = InstancePool(
            engine, PoolLimits.from_settings(settings), DemandLimits.from_settings(settings)
        )
        follow_limits = FollowLimits(
            begin_seconds=settings.lease_seconds, engine_gone_seconds=settings.engine_gone_seconds
        )
        self._runner = Runner(queue, engine, self._pool, Follower(engine, follow_limits))
        care = CareLimits(lease_seconds=settings.lease_seconds, max_taken_over=MAX_TAKEN_OVER)
        self._caretaker = Caretaker(
            queue, engine, self._pool, self._runner, self._holds, limits=care, stopping=stopping
        )

    def run(self) -> None:
        """Work until told to stop; what runs when the grace is over is left to the next worker."""
        for _ in range(self._settings.slots):
            threading.Thread(target=self._work, daemon=True).start()
        self._caretaker.start()
        self._pool.start(self._queue.get_definitions)
        _log.info("worker %s takes calls, %s at once", self._queue.member, self._settings.slots)
        while not self._stopping.is_set():
            self._reserve()
        self._finish_within_grace()

    def _reserve(self) -> None:
        """Give one call to a free slot, or wait for one of the two."""
        if not self._holds.engine_is_well():
            self._stopping.wait(RETRY_SECONDS)
            return
        if not self._free_slots.acquire(timeout=WAIT_SECONDS):
            return
        token = self._queue.new_token()
        self._holds.add(token)
        call = self._next_call(token)
        if call is None:
            self._holds.discard(token)
            self._free_slots.release()
        else:
            self._calls.put(call)

    def _next_call(self, token: str) -> ReservedCall | None:
        while not self._stopping.is_set():
            try:
                call = self._queue.reserve_call(token)
                if call is not None:
                    return call
                self._queue.wait_for_pending(WAIT_SECONDS)
            except StoreUnavailable as error:
                self._caretaker.note_failed_store(error)
        with suppress(StoreUnavailable):  # a reservation whose answer was lost
            self._queue.release_call(token)
        return None

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            with self._holds.ending(call):
                self._runner.run(call)
            self._free_slots.release()

    def _finish_within_grace(self) -> None:
        end = time.monotonic() + self._settings.worker_grace_seconds
        self._pool.close()
        going_on = len(self._holds.tokens())
        _log.info("worker %s stops: %s calls go on", self._queue.member, going_on)
        while self._holds.tokens() and time.monotonic() < end:
            time.sleep(0.02)
        left = self._caretaker.leave()
        self._pool.wait_until_idle(IDLE_SECONDS)
        _log.info("worker %s ends; %s calls are left to others", self._queue.member, left)
