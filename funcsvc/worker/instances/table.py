"""The table of a worker's containers, by name, each with its state.

Plain data; callers hold the pool's lock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import uuid4

from funcsvc.engine import Instance
from funcsvc.model import Func, Image


class State(Enum):
    """The stages of a container's life."""

    MAKING = auto()
    WAITING = auto()
    RUNNING = auto()
    LEFT = auto()
    """It ran a call that another worker now holds. That worker or a sweep removes it."""
    REMOVING = auto()


@dataclass(frozen=True)
class Version:
    """What an instance is made from: the definition of a func, and the image that it named."""

    func: Func
    image: Image


@dataclass(eq=False)
class Entry:
    """A container, from before it is made until it is removed.

    `version` is None for a container that another worker made. `has_lasted` tells that it was seen
    alive long enough after `waits_since`, when it began to wait, which is 0 if it never did. `due`
    is when to remove it: 0 if it isn't scheduled for removal, or if a thread is removing it.
    """

    name: str
    state: State
    version: Version | None = None
    instance: Instance | None = None
    is_lent: bool = False
    has_lasted: bool = False
    waits_since: float = 0.0
    due: float = 0.0

    @property
    def func_name(self) -> str:
        """The name of its func; empty if another worker made it."""
        return self.version.func.name if self.version else ""

    @property
    def memory_bytes(self) -> int:
        """The memory of its size; 0 if another worker made it."""
        return self.version.func.size.memory_bytes if self.version else 0

    def has_ended(self) -> bool:
        """Tell whether it ended while it waited."""
        return self.instance is None or self.instance.has_ended()

    def close(self) -> None:
        """Close its connection."""
        if self.instance is not None:
            self.instance.close()


@dataclass(frozen=True)
class Counts:
    """How many instances wait now, and the totals since the worker started."""

    waiting: int = 0
    met: int = 0
    missed: int = 0
    made: int = 0
    retired: int = 0


@dataclass
class Table:
    """All entries, oldest first, and counters of what has happened to them."""

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
        """Return the waiting entries of one func, or of all funcs, oldest first."""
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
        """Return how many containers are being removed or are due to be."""
        return sum(entry.state is State.REMOVING for entry in self.entries.values())

    def next_removal(self) -> Entry | None:
        """Return the entry whose removal is due first, of those that no thread is removing."""
        due = [it for it in self.entries.values() if it.state is State.REMOVING and it.due]
        return min(due, key=lambda it: it.due, default=None)

    def is_making(self, *, for_call: bool) -> bool:
        """Tell whether an instance is being made: for a call, or ahead of calls."""
        making = (it for it in self.entries.values() if it.state is State.MAKING)
        return any(entry.is_lent is for_call for entry in making)

    def counts(self) -> Counts:
        """Return how many entries wait, and the totals."""
        return Counts(waiting=len(self.waiting()), **self.counters)
