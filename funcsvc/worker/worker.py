"""`funcsvc worker`: takes calls off the queue and runs them in its slots.

All its threads are daemons: one per slot runs calls, one renews leases, one takes over calls and
sweeps containers, one finishes removals, one kills removed calls, four watch what containers write,
one makes instances, and two remove containers. When a worker is killed, another takes over its
calls.
"""

from __future__ import annotations

import logging
import re
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
from funcsvc.worker.disk import DiskLimits, DiskWatch
from funcsvc.worker.following import Follower, FollowLimits
from funcsvc.worker.holds import Holds
from funcsvc.worker.instances import DemandLimits, InstancePool, PoolLimits
from funcsvc.worker.runner import Runner
from funcsvc.worker.slots import Slots

WAIT_SECONDS = 2
"""How long one wait for a call lasts. A lost wake-up delays a call by no more than this."""

MAX_TAKEN_OVER = 64

OTHER_THREADS = 8
"""At most this many threads use Redis besides those of slots and take-overs."""

BLOCKED_THREADS = 2
"""At most this many threads wait in Redis: one for calls, one for calls to kill."""

RETRY_SECONDS = 0.5
"""How long to wait before retrying after the engine or Redis has failed."""

MAX_RETRY_SECONDS = 4
"""The longest wait between two attempts to start."""

IDLE_SECONDS = 8
"""How long a stopping worker waits for containers that are being made or removed."""

_NUMBERS = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")
"""What differs from one attempt to the next in what the engine says: ids, and names of files."""

_log = logging.getLogger(__name__)


def make_worker(settings: Settings, stopping: threading.Event) -> Worker | None:
    """Return a worker that is ready to run, or None if it is told to stop first.

    Waits until both Redis and the engine can be used.
    """
    threads = settings.slots + MAX_TAKEN_OVER + OTHER_THREADS
    stores = open_stores(settings, max_threads=threads, max_blocked=BLOCKED_THREADS)
    engine = DockerWorkerEngine(settings)
    seconds, said = RETRY_SECONDS, ""
    while not stopping.is_set():
        try:
            stores.funcs.check()
            queue = stores.open_queue(engine.find_id())
            engine.prepare(queue.get_service(), queue.worker)
            queue.renew_leases([])
            return Worker(queue, engine, settings, stopping)
        except FuncsvcError as error:
            reason = _NUMBERS.sub("", error.message)
            if reason != said:
                _log.warning("the worker can't start yet: %s", error.message)
            stopping.wait(seconds)
            seconds, said = min(2 * seconds, MAX_RETRY_SECONDS), reason
    return None


class Worker:
    """One worker process on one engine. `run` returns once the worker has stopped."""

    def __init__(
        self, queue: CallQueue, engine: WorkerEngine, settings: Settings, stopping: threading.Event
    ) -> None:
        self._queue = queue
        self._settings = settings
        self._stopping = stopping
        self._slots = Slots(settings.slots, settings.func_share_percent)
        self._calls: SimpleQueue[ReservedCall] = SimpleQueue()
        self._holds = Holds(engine)
        self._pool = InstancePool(
            engine, PoolLimits.from_settings(settings), DemandLimits.from_settings(settings)
        )
        follow_limits = FollowLimits(
            begin_seconds=settings.lease_seconds, engine_gone_seconds=settings.engine_gone_seconds
        )
        self._disk = DiskWatch(engine, DiskLimits(max_bytes=settings.max_disk_bytes))
        follower = Follower(engine, follow_limits, self._disk)
        self._runner = Runner(queue, engine, self._pool, follower)
        care = CareLimits(lease_seconds=settings.lease_seconds, max_taken_over=MAX_TAKEN_OVER)
        self._caretaker = Caretaker(
            queue, engine, self._pool, self._runner, self._holds, limits=care, stopping=stopping
        )

    def run(self) -> None:
        """Run calls until told to stop. Calls that outlast the grace period are left to others."""
        for _ in range(self._settings.slots):
            threading.Thread(target=self._work, daemon=True).start()
        self._caretaker.start()
        self._disk.start()
        self._pool.start(self._queue.get_definitions)
        _log.info(
            "worker %s takes calls, up to %s at once", self._queue.member, self._settings.slots
        )
        while not self._stopping.is_set():
            self._reserve()
        self._finish_within_grace()

    def _reserve(self) -> None:
        """Give a call to a free slot, or wait a while for a slot or a call."""
        if not self._holds.engine_is_well():
            self._stopping.wait(RETRY_SECONDS)
            return
        if not self._slots.acquire(WAIT_SECONDS):
            return
        token = self._queue.new_token()
        self._holds.add(token)
        call = self._next_call(token)
        if call is None:
            self._holds.discard(token)
            self._slots.release()
        else:
            self._slots.begin(call.func_name)
            self._calls.put(call)

    def _next_call(self, token: str) -> ReservedCall | None:
        while not self._stopping.is_set():
            try:
                call = self._queue.reserve_call(token, self._slots.with_share())
                if call is not None:
                    return call
                self._queue.wait_for_pending(WAIT_SECONDS)
            except StoreUnavailable as error:
                self._caretaker.note_failed_store(error)
        with suppress(StoreUnavailable):  # in case the reservation's answer was lost
            self._queue.release_call(token)
        return None

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            with self._holds.guarded(call):
                self._runner.run(call)
            self._slots.end(call.func_name)

    def _finish_within_grace(self) -> None:
        end = time.monotonic() + self._settings.worker_grace_seconds
        self._pool.close()
        going_on = len(self._holds.tokens())
        _log.info("worker %s is stopping; %s calls are still running", self._queue.member, going_on)
        while self._holds.tokens() and time.monotonic() < end:
            time.sleep(0.02)
        left = self._caretaker.leave()
        self._pool.wait_until_idle(IDLE_SECONDS)
        _log.info(
            "worker %s has stopped; %s calls are left to other workers", self._queue.member, left
        )
