"""A call's stage: a runner on a clock of its own, with queue, engine and instances played.

What the real ones do is shown by tests/e2e and tests/chaos; some of what they can do, only a test
like this can make happen in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from funcsvc.engine import (
    ContainerState,
    OutputReader,
)
from funcsvc.model import (
    BegunCall,
    Image,
    InstanceKind,
    Outcome,
    ReservedCall,
)
from funcsvc.model.errors import EngineUnavailable
from funcsvc.schemas import FuncSchema, func_text
from funcsvc.worker.disk import DiskLimits, DiskWatch
from funcsvc.worker.following import Follower, FollowLimits
from funcsvc.worker.runner import Runner, RunnerLimits
from tests.unit.clock import Clock

MAX_ATTEMPTS, MAX_INSTANCES = RunnerLimits().max_attempts, RunnerLimits().max_instances
TIMEOUT = 60
MAX_DISK_BYTES = 1000
LIVES = ContainerState(is_running=True, exit_code=0, out_of_memory=False)
ENDED = ContainerState(is_running=False, exit_code=137, out_of_memory=False)
DIED = ContainerState(is_running=False, exit_code=1, out_of_memory=False)
WANTED_MEMORY = ContainerState(is_running=False, exit_code=137, out_of_memory=True)
NONCE = "0123456789abcdef" * 2

Step = bytes | str | float | BaseException | tuple[bytes, str] | Callable[[], None]
"""What a source does next: output, a mark (`B`, `X 0`) or both, seconds of silence, an error, or
something else.

An empty output is the end; `stderr: …` is printed on standard error.
"""

_STDERR = "stderr: "


def new_func(**fields: object):
    return FuncSchema().load_new(
        {"Name": "f", "Config": {"Image": "i", "Cmd": "run"}, "Timeout": TIMEOUT, **fields}
    )


@dataclass
class Played:
    """A source of output that plays its steps in order, and is silent afterwards."""

    clock: Clock
    steps: list[Step]
    nonce: Callable[[], str]

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        if not self.steps:
            self.clock.sleep(seconds)
            return True
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, float):
            self.clock.sleep(min(step, seconds))
            if step > seconds:
                self.steps.insert(0, step - seconds)
        elif isinstance(step, bytes):
            reader.feed(1, step)
        elif callable(step):
            step()
        elif isinstance(step, str) and step.startswith(_STDERR):
            reader.feed(2, step.removeprefix(_STDERR).encode(errors="surrogateescape"))
        elif isinstance(step, tuple):
            reader.feed(1, step[0])
            self._mark(reader, *step[1].split())
        else:
            self._mark(reader, *step.split())
        return step != b""

    def _mark(self, reader: OutputReader, kind: str, number: str = "0") -> None:
        mark = f"{self.nonce()} {kind} {int(number):08d}\n".encode()
        reader.feed(1, mark)
        if kind != "B":
            reader.feed(2, mark)


@dataclass
class Instance(Played):
    """An instance as a runner uses it."""

    name: str = ""
    func: object = None
    image: Image = field(default_factory=lambda: Image("sha256:1", ["run"], []))
    kind: InstanceKind = InstanceKind.NEW
    refuses: BaseException | None = None
    frames: list[bytes] = field(default_factory=list)

    def send(self, frame: bytes, seconds: float) -> None:
        if self.refuses:
            raise self.refuses
        self.frames.append(frame)


class Stage:
    """A runner and everything around it. Each list is what happens next, or what has happened."""

    def __init__(self, **fields: object) -> None:
        self.clock = Clock()
        self.func = new_func(**fields)
        self.image = Image("sha256:1", ["run"], [])
        self.frames: list[bytes] = []
        self.instances: list[list[Step] | BaseException] = []
        self.refusals: dict[str, BaseException] = {}
        self.states: list[ContainerState | BaseException | None] = []
        self.replays: list[list[Step] | BaseException] = []
        self.begins: list[bool | BaseException] = []
        self.ends: list[bool | BaseException] = []
        self.kinds: list[InstanceKind] = []
        self.nonce = NONCE
        self.outcomes: list[Outcome] = []
        self.released: list[str] = []
        self.written: list[int | BaseException] = []
        self.killed: list[tuple[str, float]] = []
        self.stopped: list[str] = []
        self.followed: list[bool] = []
        self.left: list[str] = []
        self.removed: list[str] = []
        limits = FollowLimits(begin_seconds=15, engine_gone_seconds=20)
        self.disk = DiskWatch(self, DiskLimits(max_bytes=MAX_DISK_BYTES), self.clock)
        follower = Follower(self, limits, self.disk, self.clock)
        self.runner = Runner(self, self, self, follower, clock=self.clock)

    def run(self, attempt: int = 1, definition: str = "") -> Outcome | None:
        """Run a call and return its outcome, if there is one."""
        text = definition or func_text(self.func)
        self.runner.run(ReservedCall("c", "hello", "token", text, attempt, [], b""))
        return self.outcomes[-1] if self.outcomes else None

    def take_over(
        self, running_ms: int = 0, attempt: int = 1, definition: str = ""
    ) -> Outcome | None:
        """Take over a call that another worker began in `old`."""
        text = definition or func_text(self.func)
        call = BegunCall("c", "token", text, attempt, "old", NONCE, running_ms)
        self.runner.take_over(call)
        return self.outcomes[-1] if self.outcomes else None

    # the queue

    def begin_call(self, token: str, name: str, nonce: str, *, waited: bool) -> bool:
        self.nonce = nonce
        return _next(self.begins, otherwise=True)

    def end_call(self, token: str, outcome: Outcome) -> bool:
        recorded = _next(self.ends, otherwise=True)
        self.outcomes.append(outcome)
        return recorded

    def release_call(self, token: str) -> bool:
        self.released.append(token)
        return True

    # the pool

    @contextmanager
    def lend(self, func: object) -> Iterator[Instance]:
        number = len(self.removed) + len(self.left)
        steps = self.instances.pop(0)
        if isinstance(steps, BaseException):
            self.removed.append("")
            raise steps
        name = f"i{number}"
        refuses = self.refusals.get(name)
        try:
            yield Instance(
                self.clock,
                steps,
                lambda: self.nonce,
                name=name,
                func=func,
                image=self.image,
                kind=_next(self.kinds, otherwise=InstanceKind.NEW),
                refuses=refuses,
                frames=self.frames,
            )
        finally:
            if name not in self.left:
                self.removed.append(name)

    def leave(self, name: str) -> None:
        self.left.append(name)

    def remove(self, name: str) -> None:
        self.removed.append(name)

    # the engine

    def get_state(self, name: str) -> ContainerState | None:
        return _next(self.states, otherwise=LIVES)

    @contextmanager
    def replay(self, name: str, *, follow: bool) -> Iterator[Played]:
        self.followed.append(follow)
        steps = self.replays.pop(0)
        if isinstance(steps, BaseException):
            raise steps
        yield Played(self.clock, steps, lambda: self.nonce)

    def get_disk_bytes(self, name: str, seconds: float) -> int:
        return _next(self.written, otherwise=0)

    def kill(self, name: str, seconds: float) -> None:
        self.killed.append((name, self.clock.now))

    def wait_until_stopped(self, name: str) -> None:
        self.stopped.append(name)


def _next(planned: list[Any], otherwise: Any) -> Any:
    found = planned.pop(0) if planned else otherwise
    if isinstance(found, BaseException):
        raise found
    return found


def on_stderr(text: bytes) -> str:
    """Return the step that prints these bytes on standard error."""
    return _STDERR + text.decode(errors="surrogateescape")


def engine_away() -> EngineUnavailable:
    return EngineUnavailable("it is played")
