"""The pool, which owns a worker's containers and the threads that make and remove them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from funcsvc.engine import Instance, InstanceVanished, WorkerEngine
from funcsvc.model import Func
from funcsvc.model.errors import CallFailed, EngineUnavailable, StoreUnavailable
from funcsvc.schemas import load_func
from funcsvc.worker.clock import Clock
from funcsvc.worker.instances.demand import Demand, DemandLimits
from funcsvc.worker.instances.limits import PoolLimits
from funcsvc.worker.instances.table import Counts, Entry, State, Table, Version
from funcsvc.worker.instances.waiting import WaitingInstances

ReadDefinitions = Callable[[Sequence[str]], dict[str, str]]
"""Returns the stored definitions of these funcs by name, without those that don't exist."""

_log = logging.getLogger(__name__)


class InstancePool:
    """Lends instances to calls, and owns every container of its worker.

    A call gets a waiting instance if there is one, and a new one otherwise. Calls come first: no
    instance is made ahead of calls while one is being made for a call, or while no slot is free.
    Safe to share between threads.
    """

    def __init__(
        self, engine: WorkerEngine, limits: PoolLimits, demand: DemandLimits, clock: Clock = time
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._table = Table(limits.settle_seconds)
        self._demand = Demand(demand)
        self._waiting = WaitingInstances(self._table, self._demand, limits)
        self._makes_ahead = demand.per_func > 0
        self._lent = 0
        self._not_before = 0.0
        self._is_closed = False
        self._lock = threading.Lock()
        self._may_make = threading.Event()
        self._may_remove = threading.Condition(self._lock)

    @contextmanager
    def lend(self, func: Func) -> Iterator[Instance]:
        """Lend an instance to one call, and have it removed afterwards.

        Raises NotStarted and ImageGone, which are failures of the func, InstanceVanished, and
        EngineUnavailable.
        """
        with self._counted_as_lent():
            entry = self._take(Version(func, self._engine.get_image(func)))
            try:
                yield entry.instance or self._start(entry)
                with self._lock:
                    self._waiting.serve(entry)
            finally:
                self._take_back(entry)

    def leave(self, name: str) -> None:
        """Give up a lent instance. The worker that holds its call, or a sweep, removes it."""
        with self._lock:
            self._table.entries[name].state = State.LEFT

    def remove(self, name: str) -> None:
        """Have a container removed that another worker made."""
        with self._changing():
            if name in self._table.entries:
                return  # it will be removed when its own life ends
            entry = self._table.add(State.REMOVING, name=name)
            is_full = self._discard_unless_full(entry)
        if is_full:
            self._remove(entry, tries=1)

    def has(self, name: str) -> bool:
        """Tell whether the pool will remove a container, so that a sweep must leave it alone."""
        with self._lock:
            return name in self._table.entries

    def counts(self) -> Counts:
        """Return how many instances wait, and the totals so far."""
        with self._lock:
            return self._table.counts()

    def removals(self) -> int:
        """Return how many containers are being removed or are due to be."""
        with self._lock:
            return self._table.removals()

    def start(self, read_definitions: ReadDefinitions) -> None:
        """Start the threads that make instances and remove containers."""
        for _ in range(self._limits.removing_threads):
            threading.Thread(target=self._remove_for_ever, daemon=True).start()
        if self._makes_ahead:
            making = threading.Thread(
                target=self._make_for_ever, args=(read_definitions,), daemon=True
            )
            making.start()

    def close(self) -> None:
        """Have all waiting instances removed, and make no more of them."""
        with self._changing() as now:
            self._is_closed = True
            self._waiting.close(now)
        self._may_make.set()

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until nothing is being made ahead of calls or removed, for at most `seconds`."""
        end = self._clock.monotonic() + seconds
        while self._is_busy() and self._clock.monotonic() < end:
            self._clock.sleep(0.02)

    # the steps of the threads

    def has_room(self) -> bool:
        """Tell whether calls leave room to make a waiting instance."""
        with self._lock:
            return self._lent < self._limits.slots and not self._table.is_making(for_call=True)

    def make_one(self) -> bool:
        """Make the waiting instance that is needed most. Return False if none is needed."""
        with self._changing() as start:
            may_make = not self._is_closed and start >= self._not_before
            version = self._waiting.most_needed(start) if may_make else None
            if version is None:
                return False
            entry = self._table.add(State.MAKING, version)
        try:
            instance = self._engine.start_instance(entry.name, version.func, version.image)
        except Exception as error:
            self._give_up(entry, error)
            if not isinstance(error, CallFailed | InstanceVanished | EngineUnavailable):
                raise
            return True
        with self._changing() as now:
            self._demand.add_made(now - start)
            self._waiting.add(entry, instance, now)
        return True

    def retire_stale(self, read_definitions: ReadDefinitions) -> None:
        """Retire waiting instances that are surplus, have ended, or are of an old version."""
        with self._lock:
            names = sorted({entry.func_name for entry in self._table.waiting()})
            versions = [self._waiting.versions[name] for name in names]
        current = read_definitions(names) if names else {}
        for name, version in zip(names, versions, strict=True):
            is_current = self._is_current(version, current.get(name))
            with self._changing() as now:
                if self._waiting.versions.get(name) is version:
                    self._waiting.trim(name, now, is_current=is_current)

    def remove_next(self) -> None:
        """Wait for the container whose removal is due next, and remove it."""
        with self._lock:
            while not (entry := self._table.next_removal()):
                self._may_remove.wait()
            due, entry.due = entry.due, 0.0
        self._clock.sleep(max(0.0, due - self._clock.monotonic()))
        self._remove(entry, self._limits.max_removing_tries)

    def _make_for_ever(self, read_definitions: ReadDefinitions) -> None:
        checked_at = self._clock.monotonic()
        while not self._is_closed:
            try:
                has_made = self.has_room() and self.make_one()
                if self._clock.monotonic() > checked_at + self._limits.tick_seconds:
                    with suppress(StoreUnavailable):  # a call compares versions itself
                        self.retire_stale(read_definitions)
                    checked_at = self._clock.monotonic()
                if not has_made:
                    self._wait_to_make()
            except Exception:  # noqa: BLE001  # logged in full; the next step follows
                _log.exception("making waiting instances failed unexpectedly")
                self._clock.sleep(self._limits.pause_seconds)

    def _remove_for_ever(self) -> None:
        while True:
            try:
                self.remove_next()
            except Exception:  # noqa: BLE001  # logged in full; a sweep finds the container
                _log.exception("removing a container failed unexpectedly")

    @contextmanager
    def _changing(self) -> Iterator[float]:
        """Hold the lock, at this time; then wake the threads for what is to be removed."""
        with self._lock:
            yield self._clock.monotonic()
            if self._table.next_removal():
                self._may_remove.notify_all()

    # lending

    @contextmanager
    def _counted_as_lent(self) -> Iterator[None]:
        with self._lock:
            self._lent += 1
        try:
            yield
        finally:
            with self._lock:
                self._lent -= 1

    def _take(self, version: Version) -> Entry:
        """Return an entry for a call: a waiting instance, or one that has yet to be made."""
        with self._changing() as now:
            met = None
            if self._makes_ahead and version.func.may_wait and not self._is_closed:
                met = self._waiting.meet(version, now)
            entry = met or self._table.add(State.MAKING, version)
            entry.is_lent = True
        return entry

    def _start(self, entry: Entry) -> Instance:
        """Make the instance of an entry that is already lent."""
        assert entry.version is not None
        func, image = entry.version.func, entry.version.image
        try:
            instance = self._engine.start_instance(entry.name, func, image)
        except EngineUnavailable:
            self._pause()
            raise
        except CallFailed as error:
            with self._changing() as now:
                self._waiting.fail(entry, error, now)
            raise
        with self._lock:
            entry.instance, entry.state = instance, State.RUNNING
        return instance

    def _take_back(self, entry: Entry) -> None:
        """End a loan. The container is not lent again: it is removed, or left to others."""
        with self._changing():
            is_left = entry.state is State.LEFT
            if is_left:
                del self._table.entries[entry.name]
            is_full = not is_left and self._discard_unless_full(entry)
        if is_left:
            entry.close()
        elif is_full:
            self._remove(entry, tries=1)

    # making ahead of calls

    def _wait_to_make(self) -> None:
        """Wait for a moment, or until something has happened since the last look."""
        limits = self._limits
        self._may_make.wait(limits.tick_seconds if self.has_room() else limits.yield_seconds)
        self._may_make.clear()

    def _give_up(self, entry: Entry, error: Exception) -> None:
        """Have remains of a failed instance removed, and put off making others of its func."""
        if isinstance(error, EngineUnavailable):
            self._pause()
        with self._changing() as now:
            self._waiting.fail(entry, error, now)
            self._table.discard(entry, now)

    def _pause(self) -> None:
        """Make nothing ahead of calls for a while, because the engine has just failed."""
        with self._lock:
            self._not_before = self._clock.monotonic() + self._limits.pause_seconds

    def _is_current(self, version: Version, definition: str | None) -> bool:
        """Tell whether a version still has the func's definition and the image that it names."""
        if definition is None or load_func(definition) != version.func:
            return False
        try:
            return self._engine.has_image(version.func, version.image)
        except EngineUnavailable:
            return False

    # removing

    def _discard_unless_full(self, entry: Entry) -> bool:
        """Schedule a container's removal, or return True if the caller must remove it.

        The caller holds the lock.
        """
        is_full = self._table.removals() >= self._limits.max_removing
        if is_full:
            entry.state = State.REMOVING
        else:
            self._table.discard(entry, self._clock.monotonic())
        return is_full

    def _remove(self, entry: Entry, tries: int) -> None:
        """Detach from a container and remove it. If that fails, a sweep finds the container."""
        try:
            entry.close()
            self._try_to_remove(entry.name, tries)
        finally:
            with self._lock:
                self._table.entries.pop(entry.name, None)
            self._may_make.set()  # a good time to make the next instance

    def _try_to_remove(self, name: str, tries: int) -> None:
        for attempt in range(tries):
            if attempt:
                self._clock.sleep(self._limits.removing_retry_seconds)
            try:
                self._engine.remove(name)
                return
            except EngineUnavailable as error:
                _log.warning("container %s can't be removed yet: %s", name, error.message)

    def _is_busy(self) -> bool:
        with self._lock:
            return self._table.removals() > 0 or self._table.is_making(for_call=False)
