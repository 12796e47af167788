"""The one table of a worker's containers, from name to entry, each in one state of its life.

Plain data: whoever uses it holds the pool's lock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import uuid4

from funcsvc.engine import Instance
from funcsvc.model import Func, Image


class State(Enum):
    """Where a container is in its life."""

    MAKING = auto()
    WAITING = auto()
    RUNNING = auto()
    LEFT = auto()
    """It ran a call that another worker holds by now; that worker or a sweep removes it."""
    REMOVING = auto()


@dataclass(frozen=True)
class Version:
    """What an instance is made of: a func as it is defined now, on the image that it names now."""

    func: Func
    image: Image


@dataclass(eq=False)
class Entry:
    """A container, from before it is made until it is removed.

    `version` is unknown of containers that another worker made. `due` is when it is to be removed;
    0 while it isn't, and once a thread is at it.
    """

    name: str
    state: State
    version: Version | None = None
    instance: Instance | None = None
    is_lent: bool = False
    due: float = 0.0

    @property
    def func_name(self) -> str:
        """The func that it is made for."""
        return self.version.func.name if self.version else ""

    @property
    def memory_bytes(self) -> int:
        """The memory of its size."""
        return self.version.func.size.memory_bytes if self.version else 0

    def has_ended(self) -> bool:
        """Tell whether it has ended while it waited."""
        return self.instance is None or self.instance.has_ended()

    def close(self) -> None:
        """Close its connection."""
        if self.instance is not None:
            self.instance.close()


@dataclass(frozen=True)
class Counts:
    """How many instances wait now, and what has happened since the worker began."""

    waiting: int = 0
    met: int = 0
    missed: int = 0
    made: int = 0
    retired: int = 0


@dataclass
class Table:
    """All entries, the oldest first, and what has happened to entries."""

    settle_seconds: float
    """How long a removal waits, so that the answer of its call goes out first."""
    entries: dict[str, Entry] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)

    def add(self, state: State, version: Version | None = None, name: str = "") -> Entry:
        """Add a container; one without a name gets a random one."""
        entry = Entry(name or f"funcsvc-{uuid4().hex}", state, version)
        self.entries[entry.name] = entry
        return entry

    def waiting(self, func_name: str = "") -> list[Entry]:
        """Return the entries that wait, the oldest first: of one func, or of all."""
        return [
            entry
            for entry in self.entries.values()
            if entry.state is State.WAITING and func_name in ("", entry.func_name)
        ]

    def discard(self, entry: Entry, now: float) -> None:
        """Have a container removed in a moment."""
        entry.state = State.REMOVING
        entry.due = now + self.settle_seconds

    def removals(self) -> int:
        """Return how many containers are being removed, or are to be."""
        return sum(entry.state is State.REMOVING for entry in self.entries.values())

    def next_removal(self) -> Entry | None:
        """Return the entry whose removal is due first, unless a thread is at it."""
        due = [it for it in self.entries.values() if it.state is State.REMOVING and it.due]
        return min(due, key=lambda it: it.due, default=None)

    def is_making(self, *, for_call: bool) -> bool:
        """Tell whether an instance is being made: for a call, or ahead of calls."""
        making = (it for it in self.entries.values() if it.state is State.MAKING)
        return any(entry.is_lent is for_call for entry in making)

    def counts(self) -> Counts:
        """Return how many wait, and what has happened."""
        return Counts(waiting=len(self.waiting()), **self.counters)
