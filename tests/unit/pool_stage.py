"""A pool of instances over an engine that is played, on a clock of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from funcsvc.config import load_settings
from funcsvc.model import Func, Image, InstanceKind
from funcsvc.schemas import FuncSchema, func_text, load_func
from funcsvc.worker.instances import DemandLimits, InstancePool, PoolLimits
from tests.unit.clock import Clock

IMAGE, OTHER_IMAGE = Image("sha256:1", ["sh"], []), Image("sha256:2", ["sh"], [])


@dataclass
class FakeInstance:
    """An instance that a test can end."""

    name: str
    func: Func
    clock: Clock
    end: float
    ended: bool = False
    kind: InstanceKind = InstanceKind.NEW
    closed: bool = False

    def has_ended(self) -> bool:
        return self.ended or self.clock.now >= self.end

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEngine:
    """An engine that starts instances at once, or raises `error`.

    Those of the funcs in `dying` end as soon as they are started, others after their `lifetime`.
    """

    clock: Clock

    started: list[FakeInstance] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    error: Exception | None = None
    dying: set[str] = field(default_factory=set)
    lifetime: float = math.inf
    removal_errors: list[Exception] = field(default_factory=list)
    image: Image = IMAGE

    def get_image(self, func: Func) -> Image:
        return self.image

    def has_image(self, func: Func, image: Image) -> bool:
        return self.image.id == image.id

    def start_instance(self, name: str, func: Func, image: Image) -> FakeInstance:
        if self.error:
            raise self.error
        end = self.clock.now + self.lifetime
        self.started.append(FakeInstance(name, func, self.clock, end, func.name in self.dying))
        return self.started[-1]

    def remove(self, name: str) -> None:
        if self.removal_errors:
            raise self.removal_errors.pop(0)
        self.removed.append(name)


class Stage:
    """A pool over the fake engine, on a fake clock."""

    def __init__(self, *, slots: int = 10, **settings: object) -> None:
        given = {f"FUNCSVC_{name.upper()}": str(value) for name, value in settings.items()}
        loaded = load_settings({**given, "FUNCSVC_SLOTS": str(slots)})
        self.clock = Clock()
        self.engine = FakeEngine(self.clock)
        self.limits = PoolLimits.from_settings(loaded)
        self.demand = DemandLimits.from_settings(loaded)
        self.pool = InstancePool(self.engine, self.limits, self.demand, self.clock)
        self.definitions: dict[str, str] = {}
        self.funcs: dict[str, Func] = {}

    def func(self, name: str, **fields: object) -> Func:
        """Return the stored func of this name. With fields, store a new version of it first."""
        if fields or name not in self.funcs:
            self.definitions[name] = func_text(new_func(name, **fields))
            self.funcs[name] = load_func(self.definitions[name])
        return self.funcs[name]

    def call(self, name: str, **fields: object) -> InstanceKind:
        """Run a call of a func and return the kind of its instance."""
        with self.pool.lend(self.func(name, **fields)) as instance:
            return instance.kind

    def make(self) -> int:
        """Make all instances that are needed. Return how many wait."""
        for _ in range(100):
            if not self.pool.make_one():
                break
        return self.waiting

    def made(self, name: str) -> int:
        """Return how many instances of a func were started, for calls or ahead of them."""
        return sum(one.func.name == name for one in self.engine.started)

    def go_on(self, seconds: float) -> None:
        """Let the pool make instances and look after them for a while, every half second."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.make()
            self.clock.now += 0.5
            self.look()

    def look(self) -> int:
        """Retire stale instances. Return how many wait."""
        self.pool.retire_stale(self.read_definitions)
        return self.waiting

    def remove(self) -> list[str]:
        """Remove everything due for removal. Return all that was removed so far, in order."""
        while self.pool.removals():
            self.pool.remove_next()
        return self.engine.removed

    def read_definitions(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.definitions[name] for name in names if name in self.definitions}

    @property
    def waiting(self) -> int:
        return self.pool.counts().waiting

    @property
    def names(self) -> list[str]:
        """The names of the started containers, in order."""
        return [one.name for one in self.engine.started]


def new_func(name: str, **fields: Any) -> Func:
    return FuncSchema().load_new({"Name": name, "Config": {"Image": "x", "Cmd": "y"}, **fields})
