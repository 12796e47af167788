"""Lets calls begin one at a time, each when an instance waits for it."""

from __future__ import annotations

from bench.calls.client import PAYLOAD, CallClient
from bench.calls.engine import RUNNING, holds
from bench.calls.stage import Stage
from bench.calls.worker import Worker

_REFILL_SECONDS = 2


class Pacer:
    """Lets each call begin when an instance waits and nothing else is at work."""

    def __init__(self, stage: Stage, worker: Worker) -> None:
        self._stage = stage
        self._worker = worker
        self._waiting: set[str] = set()
        self._has_called = False

    def call(self, client: CallClient, payload: bytes = PAYLOAD) -> float:
        """Call, when it is time; return the milliseconds."""
        self.wait()
        self._has_called = True
        return client.call_sync(payload)

    def wait(self) -> None:
        """Wait until one waits and no other is made or removed, though not for ever."""
        holds(self._is_ready, _REFILL_SECONDS)
        self._waiting = self._stage.engine.list_running(self._worker.service)
        self._has_called = False

    def _is_ready(self) -> bool:
        """Tell so by what runs: an instance that was used runs until it ends and is removed."""
        states = self._stage.engine.states(self._worker.service)
        used_is_gone = not self._has_called or not self._waiting or self._waiting - states.keys()
        return bool(used_is_gone) and set(states.values()) == {RUNNING}
