"""The faults. Each breaks one part, and says when and how it is repaired."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dev import servers
from tests.e2e.plant import Plant

Mend = Callable[[], None]
Part = TypeVar("Part", bound=servers.Server)


@dataclass
class Faults:
    """Breaks random parts of a plant. A broken part is left alone until it is repaired."""

    plant: Plant
    chance: random.Random
    broken: dict[int, tuple[float, Mend]] = field(default_factory=dict)

    def happen(self) -> str:
        """Cause one fault and return its description."""
        kinds: tuple[Callable[[], str], ...] = (
            self.kill_worker,
            self.kill_worker,
            self.pause_worker,
            self.kill_web,
            self.pause_redis,
            self.kill_redis,
            self.pause_engine,
            self.restart_engine,
        )
        return self.chance.choice(kinds)()

    def mend_what_is_due(self) -> None:
        """Repair what has been broken for long enough."""
        for part, (due, mend) in list(self.broken.items()):
            if time.monotonic() > due:
                del self.broken[part]
                mend()

    def mend_all(self) -> None:
        """Repair everything."""
        for _, mend in self.broken.values():
            mend()
        self.broken.clear()

    def kill_worker(self) -> str:
        """SIGKILL a worker, and start it again a little later."""
        number, worker = self._pick(self.plant.workers)
        if worker is None:
            return "nothing"
        worker.kill()
        # it isn't waited for: its engine may be away, too, and it waits for that by itself
        seconds = self._break(worker, 0, 3, lambda: worker.start(lambda: True))
        return f"worker {number} killed, back in {seconds:.1f} s"

    def pause_worker(self) -> str:
        """SIGSTOP a worker, often for longer than its lease."""
        number, worker = self._pick(self.plant.workers)
        if worker is None:
            return "nothing"
        worker.pause()
        seconds = self._break(worker, 1, 6, worker.resume)
        return f"worker {number} stands still for {seconds:.1f} s"

    def kill_web(self) -> str:
        """SIGKILL a web worker process; gunicorn starts another."""
        for pid in self.plant.web.worker_pids()[:1]:
            os.kill(pid, signal.SIGKILL)
        return "a web worker process killed"

    def pause_redis(self) -> str:
        """SIGSTOP Redis for a while."""
        redis = self.plant.redis
        if id(redis) in self.broken:
            return "nothing"
        redis.pause()
        seconds = self._break(redis, 0.5, 4, redis.resume)
        return f"Redis stands still for {seconds:.1f} s"

    def kill_redis(self) -> str:
        """SIGKILL Redis, which comes back from its append-only file."""
        redis = self.plant.redis
        if id(redis) in self.broken:
            return "nothing"
        redis.kill()
        seconds = self._break(redis, 0, 2, redis.start)
        return f"Redis killed, back in {seconds:.1f} s"

    def pause_engine(self) -> str:
        """SIGSTOP a dockerd for a while."""
        number, engine = self._pick(self.plant.engines)
        if engine is None:
            return "nothing"
        engine.pause()
        seconds = self._break(engine, 1, 5, engine.resume)
        return f"engine {number} stands still for {seconds:.1f} s"

    def restart_engine(self) -> str:
        """SIGKILL a dockerd. Its containers end when it comes back."""
        number, engine = self._pick(self.plant.engines)
        if engine is None:
            return "nothing"
        engine.kill()
        seconds = self._break(engine, 0, 2, engine.start)
        return f"engine {number} killed, back in {seconds:.1f} s"

    def _pick(self, parts: Sequence[Part]) -> tuple[int, Part | None]:
        """Return a part that isn't broken, with its number."""
        whole = [(number, it) for number, it in enumerate(parts) if id(it) not in self.broken]
        return self.chance.choice(whole) if whole else (0, None)

    def _break(self, part: servers.Server, low: float, high: float, mend: Mend) -> float:
        seconds = self.chance.uniform(low, high)
        self.broken[id(part)] = (time.monotonic() + seconds, mend)
        return seconds
