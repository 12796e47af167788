"""Waiting instances: made ahead of need, each for one call of one version of one func.

How many follows each func's recent arrivals. Making them yields to calls: none is made while a call
starts a container of its own, or while no slot is free.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from funcsvc.config import Settings
from funcsvc.engine import Instance, InstanceVanished, WorkerEngine
from funcsvc.model import Func, Image
from funcsvc.model.errors import CallFailed, EngineUnavailable, StoreUnavailable

RATE_SECONDS = 30.0
"""Over how long arrivals are counted for a func's rate."""

MAX_ARRIVALS = 512
"""How many of them are remembered."""

MAX_KEPT = 1000
"""Of how many funcs arrivals are remembered; the least recently called is forgotten."""

PATIENCE_SECONDS = 10.0
"""A func that was called so lately gives way to no other."""

TICK_SECONDS = 1.0
"""How often waiting instances are looked after when nothing is to be made."""

YIELD_SECONDS = 0.05
"""How long making waits before it looks again whether calls leave it room."""

PAUSE_SECONDS = 5.0
"""How long no instance is made of a func, or on an engine, that failed."""

READY_SECONDS = 0.3
"""What making one is taken to last until one was made."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counts:
    """What waits now, and what has been since the worker began."""

    waiting: int
    met: int
    missed: int
    made: int
    retired: int


@dataclass
class Kept:
    """What is kept of a func that was called of late: its instances all have one version."""

    func: Func
    definition: str
    image: Image
    last_call: float = 0.0
    not_before: float = 0.0
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_ARRIVALS))
    instances: deque[Instance] = field(default_factory=deque)

    def rate(self, now: float) -> float:
        """Return the calls per second of late."""
        while self.arrivals and self.arrivals[0] < now - RATE_SECONDS:
            self.arrivals.popleft()
        if len(self.arrivals) < 2:
            return 0.0
        return len(self.arrivals) / max(1.0, now - self.arrivals[0])


def may_wait(func: Func) -> bool:
    """Tell whether instances of a func may be made ahead of their calls.

    Not where only so many can be at once (fixed ports of the host), nor where what they are tied to
    is looked up when they are made, and may be another by the time of the call.
    """
    host = func.host_config
    has_fixed_ports = any(one.host_port for bound in host.port_bindings.values() for one in bound)
    is_tied = host.links or host.volumes_from or host.network_mode.startswith("container:")
    return not has_fixed_ports and not is_tied


class WaitingInstances:
    """The waiting instances of one worker. Safe to share between threads.

    `has_room` says whether calls leave room for making one; `remove` is how a container is given
    away to be removed.
    """

    def __init__(
        self,
        engine: WorkerEngine,
        settings: Settings,
        remove: Callable[[str], None],
        has_room: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._remove = remove
        self._has_room = has_room
        self._kept: dict[str, Kept] = {}
        self._making = ""
        self._ready_seconds = READY_SECONDS
        self._met = self._missed = self._made = self._retired = 0
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._given_away: list[Instance] = []
        self._not_before = self._looked_at = 0.0
        self._closed = False

    def take(
        self, func: Func, definition: str, image: Image, claim: Callable[[str], None]
    ) -> Instance | None:
        """Return an instance of just this version that waits, if there is one; it is the caller's.

        Counts as an arrival of a call. `claim` is told the name before it leaves here.
        """
        if not self._settings.waiting_per_func or not may_wait(func):
            return None
        with self._changing():
            kept = self._keep(func, definition, image)
            taken = self._pop_living(kept)
            if taken is not None:
                claim(taken.name)
            self._met += taken is not None
            self._missed += taken is None
        return taken

    def wake(self) -> None:
        """Say that a container is gone: now is a good time to make the one that follows it."""
        self._wanted.set()

    def uses(self, name: str) -> bool:
        """Tell whether a container waits here, or is just made to."""
        with self._lock:
            waiting = (one.name for kept in self._kept.values() for one in kept.instances)
            return name == self._making or name in waiting

    def counts(self) -> Counts:
        """Return what waits, and what has been."""
        with self._lock:
            return Counts(self._count(), self._met, self._missed, self._made, self._retired)

    def run(self, read_definitions: Callable[[list[str]], dict[str, str]]) -> None:
        """Look after the instances for ever: make, renew, retire. For a thread of its own."""
        while not self._closed:
            try:
                self._step(read_definitions)
            except Exception:  # noqa: BLE001  # logged whole; the next step comes
                _log.exception("looking after waiting instances failed in a way it should not")
                time.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        """Have every instance removed, and make no more."""
        with self._changing():
            self._closed = True
            for kept in self._kept.values():
                self._retire(kept, 0)
            self._kept.clear()

    def wait_until_idle(self, seconds: float) -> None:
        """Return when no instance is just being made, or when the time is over."""
        end = time.monotonic() + seconds
        while self._making and time.monotonic() < end:
            time.sleep(0.02)

    def _step(self, read_definitions: Callable[[list[str]], dict[str, str]]) -> None:
        made = self._has_room() and self._make_one()
        if time.monotonic() > self._looked_at + TICK_SECONDS:
            with suppress(StoreUnavailable):  # a call compares versions itself
                self._retire_stale(read_definitions)
            self._looked_at = time.monotonic()
        if not made:
            self._wanted.wait(TICK_SECONDS if self._has_room() else YIELD_SECONDS)
            self._wanted.clear()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock; what is retired meanwhile is given away behind it: that may take long."""
        with self._lock:
            yield
            retired, self._given_away = self._given_away, []
        for instance in retired:
            instance.close()
            self._remove(instance.name)

    def _keep(self, func: Func, definition: str, image: Image) -> Kept:
        """Note a call, and return what is kept of its func; an older version is retired."""
        now = time.monotonic()
        kept = self._kept.get(func.name)
        if kept is None:
            self._forget_oldest()
            kept = self._kept[func.name] = Kept(func, definition, image)
        elif kept.definition != definition or kept.image.id != image.id:
            self._retire(kept, 0)
            kept.func, kept.definition, kept.image = func, definition, image
            kept.not_before = 0.0
        kept.last_call = now
        kept.arrivals.append(now)
        return kept

    def _forget_oldest(self) -> None:
        if len(self._kept) >= MAX_KEPT:
            oldest = min(self._kept.values(), key=lambda it: it.last_call)
            self._retire(oldest, 0)
            del self._kept[oldest.func.name]

    def _pop_living(self, kept: Kept) -> Instance | None:
        while kept.instances:
            instance = kept.instances.popleft()
            if not instance.has_broken():
                return instance
            self._give_away(instance)
        return None

    def _make_one(self) -> bool:
        """Make the instance that is wanted most; False when none is."""
        with self._changing():
            kept = self._most_wanted(time.monotonic())
            if kept is None or self._closed:
                return False
            name = self._making = self._engine.instances.new_name()
            version = kept.func, kept.definition, kept.image
        start = time.monotonic()
        try:
            instance = self._engine.start_instance(name, kept.func, kept.image)
        except Exception as error:  # noqa: BLE001  # raised again where it was not expected
            kept.not_before = time.monotonic() + PAUSE_SECONDS
            self._forget_making(name, error)
            return True
        self._ready_seconds += (time.monotonic() - start - self._ready_seconds) / 4
        self._put(kept, version, instance)
        return True

    def _put(self, kept: Kept, version: tuple[Func, str, Image], instance: Instance) -> None:
        """Let an instance wait, unless its version is no longer the func's."""
        with self._changing():
            self._making = ""
            self._made += 1
            is_current = self._kept.get(kept.func.name) is kept
            if is_current and version == (kept.func, kept.definition, kept.image):
                instance.waited = True
                kept.instances.append(instance)
            else:
                self._give_away(instance)

    def _forget_making(self, name: str, error: Exception) -> None:
        """Have removed what could not be made; raises the error again where it was not expected."""
        with self._lock:
            self._making = ""
        self._remove(name)
        if isinstance(error, EngineUnavailable):
            self._not_before = time.monotonic() + PAUSE_SECONDS
        elif not isinstance(error, CallFailed | InstanceVanished):
            raise error
        _log.warning("no instance can wait: %s", error)

    def _most_wanted(self, now: float) -> Kept | None:
        """Return the func that lacks most of what it should have, if the bounds let it have one."""
        if now < self._not_before:
            return None
        lacking = [
            (len(kept.instances) / self._target(kept, now), -kept.last_call, kept)
            for kept in self._kept.values()
            if kept.not_before <= now and len(kept.instances) < self._target(kept, now)
        ]
        for _, _, kept in sorted(lacking, key=lambda it: it[:2]):
            if self._fits(kept) or self._make_way_for(kept):
                return kept
        return None

    def _target(self, kept: Kept, now: float) -> int:
        """Return how many of a func should wait: what comes at its rate until others are ready."""
        if now > kept.last_call + self._settings.waiting_idle_seconds:
            return 0
        cover = self._ready_seconds + self._settings.waiting_cover_seconds
        return min(max(1, math.ceil(kept.rate(now) * cover)), self._settings.waiting_per_func)

    def _fits(self, kept: Kept) -> bool:
        memory = sum(it.func.size.memory_bytes * len(it.instances) for it in self._kept.values())
        return (
            self._count() < self._settings.waiting_instances
            and memory + kept.func.size.memory_bytes <= self._settings.waiting_memory_bytes
        )

    def _make_way_for(self, kept: Kept) -> bool:
        """Retire instances of funcs that were not called of late, the longest first."""
        others = sorted(self._kept.values(), key=lambda it: it.last_call)
        for other in others:
            latest = min(kept.last_call, time.monotonic() - PATIENCE_SECONDS)
            if other is kept or other.last_call > latest:
                return False
            while other.instances:
                self._retire(other, len(other.instances) - 1)
                if self._fits(kept):
                    return True
        return False

    def _retire_stale(self, read_definitions: Callable[[list[str]], dict[str, str]]) -> None:
        """Retire what is too many, too old, broken, or of a version that is no longer current."""
        with self._lock:
            names = [name for name, kept in self._kept.items() if kept.instances]
        current = read_definitions(names) if names else {}
        for kept in self._copy():
            if kept.func.name not in names:
                continue
            is_current = current.get(kept.func.name) == kept.definition and self._has_image(kept)
            with self._changing():
                self._retire(kept, self._target(kept, time.monotonic()) if is_current else 0)
                self._drop_broken(kept)
                if not is_current or not self._target(kept, time.monotonic()):
                    self._kept.pop(kept.func.name, None)

    def _has_image(self, kept: Kept) -> bool:
        try:
            return self._engine.has_image(kept.func, kept.image)
        except EngineUnavailable:
            return False

    def _drop_broken(self, kept: Kept) -> None:
        living = [one for one in kept.instances if not one.has_broken()]
        for one in kept.instances:
            if one not in living:
                self._give_away(one)
        kept.instances = deque(living)

    def _retire(self, kept: Kept, left: int) -> None:
        """Give away the oldest instances of a func until so many are left."""
        while len(kept.instances) > left:
            self._give_away(kept.instances.popleft())

    def _give_away(self, instance: Instance) -> None:
        self._retired += 1
        self._given_away.append(instance)

    def _count(self) -> int:
        return sum(len(kept.instances) for kept in self._kept.values())

    def _copy(self) -> Iterator[Kept]:
        with self._lock:
            return iter(list(self._kept.values()))
