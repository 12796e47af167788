"""Follows a call to its end, live or through the output that the engine has kept."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from funcsvc.engine import OutputReader, OutputSource, StreamBroken, WorkerEngine
from funcsvc.model import MAX_OUTPUT_BYTES, Func, Outcome
from funcsvc.model.errors import (
    CallFailed,
    CallTimedOut,
    EndedFromOutside,
    EngineUnavailable,
    OutOfMemory,
    OutputTooLarge,
    ResultLost,
)
from funcsvc.worker.clock import Clock
from funcsvc.worker.deaths import NeverBegan, death_of, late_death
from funcsvc.worker.disk import DiskWatch, Watched
from funcsvc.worker.outcomes import failed, outcome_of

KILLED_EXIT_CODE = 128 + signal.SIGKILL
"""The exit code of a container that was killed, as a worker does after a call's Timeout."""


@dataclass(slots=True)
class Run:
    """A call whose frame was sent to a container, or was about to be.

    `end` is when its Timeout expires, on the monotonic clock. `was_late` tells that its container
    was killed because the call didn't begin in time.
    """

    container: str
    nonce: str
    func: Func
    end: float
    was_late: bool = False


@dataclass(frozen=True, kw_only=True)
class FollowLimits:
    """How long a call may take to begin, its engine may be gone, and each step may last."""

    begin_seconds: float
    engine_gone_seconds: float
    kill_seconds: float = 1.5
    """How long the engine may take to kill a container before the end is recorded anyway."""
    look_seconds: float = 1.0
    """How long one read waits before the clock is checked again."""
    retry_seconds: float = 0.5


class Follower:
    """Follows calls to their ends. Safe to share between threads."""

    def __init__(
        self, engine: WorkerEngine, limits: FollowLimits, disk: DiskWatch, clock: Clock = time
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._disk = disk
        self._clock = clock

    def follow(self, source: OutputSource, run: Run) -> Outcome:
        """Return how a call ended, as read from its instance, or by `recover` if that breaks.

        Raises NeverBegan.
        """
        try:
            return self._read_to_end(source, run, run.end)
        except StreamBroken:
            return self.recover(run)

    def recover(self, run: Run) -> Outcome:
        """Return how a call ended, from the output that the engine keeps. Raises NeverBegan.

        If the call is already past its Timeout, the engine gets `engine_gone_seconds` to tell how
        it ended.
        """
        heard_at = self._clock.monotonic()
        end = run.end if heard_at < run.end else heard_at + self._gone_seconds
        while True:
            try:
                state = self._engine.get_state(run.container)
                if state is None:
                    return failed(ResultLost("its container is gone"))
                with self._engine.replay(run.container, follow=state.is_running) as replay:
                    heard_at = self._clock.monotonic()
                    return self._read_to_end(replay, run, self._end_of(run, state.is_running))
            except EngineUnavailable:
                now = self._clock.monotonic()
                if now >= end:
                    return failed(CallTimedOut(run.func.timeout_seconds))
                if now >= heard_at + self._gone_seconds:
                    return failed(ResultLost("the engine is gone"))
                self._clock.sleep(self._limits.retry_seconds)

    def explain_unsent(self, container: str, nonce: str) -> NeverBegan:
        """Return how a container ended that didn't take its frame. Raises EngineUnavailable."""
        reader = OutputReader(nonce, MAX_OUTPUT_BYTES)
        if self._engine.get_state(container) is not None:
            with self._engine.replay(container, follow=True) as replay:
                end = self._clock.monotonic() + self._limits.kill_seconds
                while (left := end - self._clock.monotonic()) > 0:
                    if not replay.read_into(reader, left):
                        break
        state = self._engine.get_state(container)
        if state is None or state.is_running:
            return NeverBegan()
        return death_of(state, reader.short_stderr, nonce)

    @property
    def _gone_seconds(self) -> float:
        return self._limits.engine_gone_seconds

    def _end_of(self, run: Run, is_running: bool) -> float:
        """Return when to stop reading. A container that has ended is read even past the Timeout."""
        if is_running:
            return run.end
        return max(run.end, self._clock.monotonic() + self._gone_seconds)

    def _read_to_end(self, source: OutputSource, run: Run, end: float) -> Outcome:
        """Read until the final mark or an exceeded limit. Raises StreamBroken and NeverBegan."""
        with self._disk.watching(run.container) as watched:
            return self._read_watched(source, run, end, watched)

    def _read_watched(
        self, source: OutputSource, run: Run, end: float, watched: Watched
    ) -> Outcome:
        reader = OutputReader(run.nonce, MAX_OUTPUT_BYTES)
        begun_by = self._clock.monotonic() + self._limits.begin_seconds
        while not reader.ending:
            now = self._clock.monotonic()
            failure = _excess(reader, run, now >= end) or watched.failure
            is_late = now >= begun_by and not _has_begun(reader)
            if failure or is_late:
                run.was_late = run.was_late or is_late
                self._engine.kill(run.container, self._limits.kill_seconds)
            if failure:
                return failed(failure, reader)
            has_more = source.read_into(reader, min(self._limits.look_seconds, end - now))
            if not has_more and not reader.ending:
                return failed(self._cause_of_death(reader, run), reader)
        return outcome_of(reader, run.func)

    def _cause_of_death(self, reader: OutputReader, run: Run) -> CallFailed:
        """Return why an output ended without its final mark.

        Raises NeverBegan, and EngineUnavailable if the container is still running.
        """
        state = self._engine.get_state(run.container)
        if state is None:
            return ResultLost("its container was removed")
        if state.is_running:
            raise EngineUnavailable("it broke off a stream")
        if not _has_begun(reader):
            if run.was_late:
                raise late_death(self._limits.begin_seconds)
            raise death_of(state, reader.short_stderr, run.nonce)
        if state.out_of_memory:
            return OutOfMemory(run.func.size.name, state.exit_code)
        has_been_killed = state.exit_code == KILLED_EXIT_CODE
        if has_been_killed and self._clock.monotonic() >= run.end:  # by a worker that then died
            return CallTimedOut(run.func.timeout_seconds)
        exit_code = f" (exit code {state.exit_code})" if state.exit_code else ""
        return EndedFromOutside(f"ended before the function did{exit_code}")


def _excess(reader: OutputReader, run: Run, is_late: bool) -> CallFailed | None:
    """Return why a running call must be killed, or None if it can go on."""
    if reader.is_too_large:
        return OutputTooLarge(MAX_OUTPUT_BYTES)
    return CallTimedOut(run.func.timeout_seconds) if is_late else None


def _has_begun(reader: OutputReader) -> bool:
    """Tell whether the command has begun: its first mark was read, or lost with other output."""
    return reader.begun or reader.is_garbled
