"""`funcsvc worker`: takes calls off the queue, runs them in its slots, looks after what is left.

Threads: one reserves; one for each slot runs; one renews leases; one takes over and sweeps; two
remove containers. All of them are daemons: what a killed worker leaves, another takes over.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue

from funcsvc.config import Settings
from funcsvc.engine import WorkerEngine
from funcsvc.model import BegunCall, ReservedCall
from funcsvc.model.errors import EngineUnavailable, FuncsvcError, StoreUnavailable
from funcsvc.store import BlockingClient, CallQueue, RedisClient
from funcsvc.worker.instance_supply import InstanceSupply
from funcsvc.worker.remover import Remover
from funcsvc.worker.runner import RETRY_SECONDS, Runner
from funcsvc.worker.waiting import WaitingInstances

WAIT_SECONDS = 2
"""How long one wait for a call lasts; a wake that was lost costs no more than that."""

MAX_TAKEN_OVER = 64
"""How many calls of dead workers are followed at once, beside the slots."""

OTHER_THREADS = 8
"""How many threads beside slots and take-overs use Redis, at the most."""

LOG_SECONDS = 60
"""How often what waits is logged at the most."""

REMOVE_SECONDS = 4
"""How long a worker that ends waits for the containers that are being removed."""

_log = logging.getLogger(__name__)


def make_worker(settings: Settings, stopping: threading.Event) -> Worker | None:
    """Return a worker that is ready to run, or None when it was stopped before it could be.

    A Redis or an engine that isn't there yet is waited for.
    """
    threads = settings.slots + MAX_TAKEN_OVER + OTHER_THREADS
    client = RedisClient(
        settings.redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        max_connections=threads,
    )
    engine = WorkerEngine(settings)
    while not stopping.is_set():
        try:
            client.check()
            queue = CallQueue(client, BlockingClient(settings, 1), settings, engine.find_id())
            engine.prepare(queue.get_service(), queue.worker)
            queue.renew_leases([])
            return Worker(queue, engine, settings, stopping)
        except FuncsvcError as error:
            _log.warning("the worker can't begin yet: %s", error.message)
            stopping.wait(RETRY_SECONDS)
    return None


class Holds:
    """The tokens under which this worker holds calls."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def add(self, token: str) -> None:
        with self._lock:
            self._tokens.add(token)

    def discard(self, token: str) -> None:
        with self._lock:
            self._tokens.discard(token)

    def tokens(self) -> list[str]:
        """Return them all."""
        with self._lock:
            return list(self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)


class Worker:
    """One worker process on one engine. `run` returns when it was stopped."""

    def __init__(
        self, queue: CallQueue, engine: WorkerEngine, settings: Settings, stopping: threading.Event
    ) -> None:
        self._queue = queue
        self._engine = engine
        self._settings = settings
        self._stopping = stopping
        self._holds = Holds()
        self._running = Holds()
        self._free_slots = threading.Semaphore(settings.slots)
        self._calls: SimpleQueue[ReservedCall] = SimpleQueue()
        self._taken_over = threading.BoundedSemaphore(MAX_TAKEN_OVER)
        self._engine_answers = threading.Event()
        self._engine_answers.set()
        self._has_left = threading.Event()
        self._store_failed_at = self._logged_at = -math.inf
        places = 4 * settings.slots + 2 * settings.waiting_instances
        self._remover = Remover(engine, max_waiting=places)
        self._waiting = WaitingInstances(engine, settings, self._remover.remove, self._has_room)
        self._remover.when_removed = self._waiting.wake
        self._supply = InstanceSupply(engine, self._waiting, self._remover.remove)
        self._runner = Runner(queue, engine, settings, self._supply)
        self._logged = self._waiting.counts()

    def run(self) -> None:
        """Work until told to stop; what runs when the grace is over is left to the next worker."""
        for _ in range(self._settings.slots):
            _start(self._work)
        _start(self._keep_leases)
        _start(self._look_after)
        if self._settings.waiting_per_func:
            _start(self._waiting.run, self._queue.get_definitions)
        self._remover.start()
        _log.info("worker %s takes calls, %s at once", self._queue.member, self._settings.slots)
        while not self._stopping.is_set():
            self._reserve()
        self._finish_within_grace()

    def _reserve(self) -> None:
        """Give one call to a free slot, or wait for one of the two."""
        if not self._engine_is_well() or not self._free_slots.acquire(timeout=WAIT_SECONDS):
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
                self._queue.wait_for_call(WAIT_SECONDS)
            except StoreUnavailable as error:
                self._note_failed_store(error)
        with suppress(StoreUnavailable):  # a reservation whose answer was lost
            self._queue.release_call(token)
        return None

    def _note_failed_store(self, error: StoreUnavailable) -> None:
        """Wait a moment; and let other workers renew their leases before any is taken over."""
        _log.warning("%s", error.message)
        self._store_failed_at = time.monotonic()
        time.sleep(RETRY_SECONDS)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            self._running.add(call.token)
            self._guarded(call, partial(self._runner.run, call))
            self._running.discard(call.token)
            self._free_slots.release()

    def _has_room(self) -> bool:
        """Tell whether calls leave room for making an instance that is to wait."""
        return (
            not self._supply.starting
            and len(self._running) < self._settings.slots
            and self._engine_answers.is_set()
            and not self._stopping.is_set()
        )

    def _guarded(self, call: ReservedCall | BegunCall, work: Callable[[], None]) -> None:
        """Do a piece of work on a call, so that no failure of ours ends the thread."""
        try:
            work()
        except EngineUnavailable as error:
            _log.warning("call %s: %s", call.id, error.message)
            self._engine_answers.clear()
        except FuncsvcError as error:
            _log.warning("call %s: %s", call.id, error.message)
        except Exception:  # noqa: BLE001  # logged whole; another worker takes the call over
            _log.exception("call %s: this worker failed in a way it did not expect", call.id)
        finally:
            self._holds.discard(call.token)

    def _engine_is_well(self) -> bool:
        """Ask an engine that failed whether it is back: until then no call is taken."""
        if self._engine_answers.is_set():
            return True
        try:
            self._engine.check()
        except EngineUnavailable:
            self._stopping.wait(RETRY_SECONDS)
            return False
        self._engine_answers.set()
        return True

    def _keep_leases(self) -> None:
        while not self._has_left.is_set():
            try:
                self._queue.renew_leases(self._holds.tokens())
                self._has_left.wait(self._settings.lease_seconds / 3)
            except StoreUnavailable as error:
                self._note_failed_store(error)

    def _look_after(self) -> None:
        """Take over what dead workers left running, and remove the containers that nobody needs."""
        while True:
            try:
                self._take_over()
                self._sweep()
                self._log_waiting()
            except StoreUnavailable as error:
                self._note_failed_store(error)
            except FuncsvcError as error:
                _log.warning("looking after what is left: %s", error.message)
            except Exception:  # noqa: BLE001  # logged whole; the next look comes
                _log.exception("looking after what is left failed in a way it should not")
            time.sleep(self._settings.lease_seconds / 3)

    def _take_over(self) -> None:
        """Take over what there is; not just after Redis was away, when every lease looks over."""
        if time.monotonic() < self._store_failed_at + self._settings.lease_seconds:
            return
        while not self._stopping.is_set() and self._taken_over.acquire(blocking=False):
            token, call = self._queue.new_token(), None
            self._holds.add(token)
            try:
                call = self._queue.adopt_call(token)
            finally:
                if call is None:
                    self._holds.discard(token)
                    self._taken_over.release()
            if call is None:
                return
            _start(self._follow, call)

    def _follow(self, call: BegunCall) -> None:
        self._guarded(call, partial(self._runner.take_over, call))
        self._taken_over.release()

    def _sweep(self) -> None:
        """Remove the containers of dead workers, and those that this one has lost sight of.

        The list comes first: what began or ended since then is not, or is no longer, in it.
        """
        found = self._engine.instances.list_ours()
        in_use = self._queue.get_instances_in_use([name for name, _ in found])
        live = self._queue.get_live_workers()
        for name, worker in found:
            is_mine = worker == self._queue.worker
            needed = self._supply.uses(name) if is_mine else worker in live
            if name not in in_use and not needed and not self._remover.removes(name):
                _log.info("container %s is nobody's: it is removed", name)
                self._remover.remove(name)

    def _log_waiting(self) -> None:
        """Log what waits, and how often a call met an instance, whenever that has changed."""
        counts = self._waiting.counts()
        if counts != self._logged and time.monotonic() > self._logged_at + LOG_SECONDS:
            self._logged, self._logged_at = counts, time.monotonic()
            _log.info(
                "%s instances wait; of the calls %s met one and %s none; %s were made, %s retired",
                counts.waiting,
                counts.met,
                counts.missed,
                counts.made,
                counts.retired,
            )

    def _finish_within_grace(self) -> None:
        end = time.monotonic() + self._settings.worker_grace_seconds
        self._waiting.close()
        _log.info("worker %s stops: %s calls go on", self._queue.member, len(self._holds))
        while len(self._holds) and time.monotonic() < end:
            time.sleep(0.02)
        self._has_left.set()
        left = self._holds.tokens()
        try:
            self._queue.leave(left)
        except StoreUnavailable as error:
            _log.warning("%s What is left is taken over when its lease ends.", error.message)
        self._waiting.wait_until_idle(REMOVE_SECONDS)
        self._remover.wait_until_done(REMOVE_SECONDS)
        _log.info("worker %s ends; %s calls are left to others", self._queue.member, len(left))


def _start(target: Callable[..., None], *args: object) -> None:
    threading.Thread(target=target, args=args, daemon=True).start()
