"""Where a call's instance comes from: one that waits for it, or a new one; and where it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from funcsvc.engine import Instance, WorkerEngine
from funcsvc.model import Func
from funcsvc.schemas import FuncSchema
from funcsvc.worker.waiting import WaitingInstances

_SCHEMA = FuncSchema()


@lru_cache(maxsize=512)
def load_func(definition: str) -> Func:
    """Return the func of a stored definition; the last ones are remembered."""
    return _SCHEMA.load_stored(definition)


class InstanceSupply:
    """Gives each call an instance of its own. Safe to share between threads.

    `remove` is how a container is given away to be removed.
    """

    def __init__(
        self,
        engine: WorkerEngine,
        waiting: WaitingInstances,
        remove: Callable[[str, Instance | None], None],
    ) -> None:
        self._engine = engine
        self._waiting = waiting
        self._in_use: set[str] = set()
        self._left: set[str] = set()
        self._lock = threading.Lock()
        self.starting = 0
        """How many calls are just now having an instance started."""
        self._remove = remove

    @contextmanager
    def instance_for(self, func: Func, definition: str) -> Iterator[Instance]:
        """Give an instance that waits for its frame, and have it removed at the end.

        Raises NotStarted and ImageGone, the func's own failures, InstanceVanished, and
        EngineUnavailable.
        """
        image = self._engine.get_image(func)
        instance = self._waiting.take(func, definition, image, self._in_use.add)
        name = instance.name if instance else self._engine.instances.new_name()
        self._in_use.add(name)
        try:
            if instance is None:
                with self._start_counted():
                    instance = self._engine.start_instance(name, func, image)
            yield instance
        finally:
            if name not in self._left:
                self.remove(name, instance)
            elif instance is not None:
                instance.close()
            self._left.discard(name)
            self._in_use.discard(name)

    def remove(self, name: str, instance: Instance | None = None) -> None:
        """Have a container removed, after detaching from it."""
        self._remove(name, instance)

    def leave(self, name: str) -> None:
        """Leave an instance in use to others: who holds its call, or a sweep, removes it."""
        self._left.add(name)

    def uses(self, name: str) -> bool:
        """Tell whether an instance of this name waits, is being made, or runs a call."""
        return self._waiting.uses(name) or name in self._in_use  # it goes from there to here

    @contextmanager
    def _start_counted(self) -> Iterator[None]:
        with self._lock:
            self.starting += 1
        try:
            yield
        finally:
            with self._lock:
                self.starting -= 1
