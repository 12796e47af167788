"""Waiting instances: which to make, which one a call meets, which to retire.

Callers hold the pool's lock.
"""

from __future__ import annotations

import logging
from collections import Counter

from funcsvc.engine import Instance
from funcsvc.model import InstanceKind
from funcsvc.model.errors import EngineUnavailable
from funcsvc.worker.instances.demand import Demand
from funcsvc.worker.instances.limits import PoolLimits
from funcsvc.worker.instances.table import Entry, State, Table, Version
from funcsvc.worker.instances.trials import Trial

_log = logging.getLogger(__name__)


class WaitingInstances:
    """The waiting entries of a table. Those of a func all have its version in `versions`."""

    def __init__(self, table: Table, demand: Demand, limits: PoolLimits) -> None:
        self._table = table
        self._demand = demand
        self._limits = limits
        self._trials: dict[str, Trial] = {}
        self.versions: dict[str, Version] = {}

    def meet(self, version: Version, now: float) -> Entry | None:
        """Count a call, and return a waiting instance of exactly this version, if there is one."""
        name = version.func.name
        forgotten = self._demand.add_call(name, now)
        if forgotten is not None:
            self.forget(forgotten, now)
        if self.versions.get(name) != version:
            self._replace(version, now)
        self._trials[name].meet_call(self._limits.max_pause_seconds)
        met = next(iter(self._living(name, now)), None)
        self._table.counters["met" if met else "missed"] += 1
        if met:
            met.state = State.RUNNING
        return met

    def most_needed(self, now: float) -> Version | None:
        """Return the version of the func that lacks most among those with room for another.

        One that failed takes the place of no other, and one that isn't proven is made singly.
        """
        counts = Counter(entry.func_name for entry in self._table.waiting())
        for name in self._demand.lacking(counts, now):
            version, trial = self.versions[name], self._trials[name]
            if now < trial.not_before or (counts[name] and not trial.is_proven):
                continue
            if self._fits(version) or (not trial.failures and self._make_way(version, now)):
                return version
        return None

    def add(self, entry: Entry, instance: Instance, now: float) -> None:
        """Let a new instance wait, or retire it if its version is outdated."""
        self._table.counters["made"] += 1
        entry.instance, entry.state, entry.waits_since = instance, State.WAITING, now
        instance.kind = InstanceKind.WAITING
        if self.versions.get(entry.func_name) is not entry.version:
            self._retire(entry, now)

    def fail(self, entry: Entry, reason: object, now: float) -> None:
        """Note that an instance couldn't be made, or ended soon. Only a first failure is logged."""
        trial = self._trial(entry)
        if trial is None:
            return
        if not trial.failures:
            _log.warning("no instance of %s can wait for a call: %s", entry.func_name, reason)
        limits, was_engine = self._limits, isinstance(reason, EngineUnavailable)
        trial.fail(now, limits.pause_seconds, limits.max_pause_seconds, was_engine=was_engine)

    def serve(self, entry: Entry) -> None:
        """Note that an instance has run a call."""
        trial = self._trial(entry)
        if trial is None:
            return
        if entry.waits_since:
            trial.last()
        else:
            trial.serve()

    def trim(self, func_name: str, now: float, *, is_current: bool) -> None:
        """Retire a func's surplus instances, and forget a func without demand."""
        target = self._demand.target(func_name, now) if is_current else 0
        living = self._living(func_name, now)
        self._note_lasting(living, now)
        for entry in living[: max(0, len(living) - target)]:
            self._retire(entry, now)
        if not target:
            self.forget(func_name, now)

    def forget(self, func_name: str, now: float) -> None:
        """Retire a func's waiting instances, and forget its calls."""
        self._demand.forget(func_name)
        self._trials.pop(func_name, None)
        self.versions.pop(func_name, None)
        self._retire_all(func_name, now)

    def close(self, now: float) -> None:
        """Retire all waiting instances now, and those that are being made once they are ready."""
        self.versions.clear()
        self._trials.clear()
        self._retire_all("", now)

    def _living(self, func_name: str, now: float) -> list[Entry]:
        """Return a func's waiting instances, after retiring those that have ended."""
        waiting = self._table.waiting(func_name)
        ended = [entry for entry in waiting if entry.has_ended()]
        for entry in ended:
            if not entry.has_lasted:
                self.fail(entry, "it ended by itself", now)
            self._retire(entry, now)
        return [entry for entry in waiting if entry not in ended]

    def _note_lasting(self, living: list[Entry], now: float) -> None:
        for entry in living:
            trial, seconds = self._trials[entry.func_name], now - entry.waits_since
            if seconds >= self._limits.proof_seconds:
                trial.prove()
            if seconds >= self._limits.lasting_seconds and not entry.has_lasted:
                entry.has_lasted = True
                trial.last()

    def _trial(self, entry: Entry) -> Trial | None:
        """Return the trial of an entry's version, or None if that is outdated."""
        is_current = self.versions.get(entry.func_name) == entry.version
        return self._trials[entry.func_name] if is_current else None

    def _replace(self, version: Version, now: float) -> None:
        """Replace a func's version, and retire the instances of the old one."""
        name = version.func.name
        self.versions[name], self._trials[name] = version, Trial()
        self._retire_all(name, now)

    def _fits(self, version: Version) -> bool:
        waiting = self._table.waiting()
        memory = sum(entry.memory_bytes for entry in waiting) + version.func.size.memory_bytes
        return (
            len(waiting) < self._limits.max_waiting
            and memory <= self._limits.max_waiting_memory_bytes
        )

    def _make_way(self, version: Version, now: float) -> bool:
        """Retire instances of funcs that weren't called recently, until this version fits."""
        for other in self._demand.yielding(version.func.name, now):
            for entry in self._table.waiting(other):
                self._retire(entry, now)
                if self._fits(version):
                    return True
        return False

    def _retire_all(self, func_name: str, now: float) -> None:
        for entry in self._table.waiting(func_name):
            self._retire(entry, now)

    def _retire(self, entry: Entry, now: float) -> None:
        self._table.counters["retired"] += 1
        self._table.discard(entry, now)
