"""One call, from reserved to recorded: in an instance of its own, at most once, to an end."""

from __future__ import annotations

import errno
import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex
from typing import Protocol

from funcsvc.config import Settings
from funcsvc.engine import (
    Deadline,
    Instance,
    InstanceVanished,
    OutputReader,
    StreamBroken,
    WorkerEngine,
    command_of,
    make_frame,
)
from funcsvc.model import MAX_OUTPUT_BYTES, SHORT_BYTES, BegunCall, Func, Outcome, ReservedCall
from funcsvc.model.errors import (
    CallFailed,
    CallTimedOut,
    CommandNotRun,
    EngineUnavailable,
    ExitedBadly,
    FuncsvcError,
    Killed,
    NotStarted,
    OutOfMemory,
    OutputTooLarge,
    ResultLost,
    StoreUnavailable,
)
from funcsvc.store import CallQueue
from funcsvc.worker.instance_supply import InstanceSupply, load_func

MAX_ATTEMPTS = 10
"""How often a call is taken up whose command could not begin, before it has failed."""

MAX_INSTANCES = 3
"""How many instances are tried one after the other, before a call goes back to the queue."""

KILL_SECONDS = 1.5
"""How long the engine may take to kill, before the call's end is recorded all the same."""

SEND_SECONDS = 30
"""How long a frame may take on its way to a starter that waits for it."""

LOOK_SECONDS = 1.0
"""How long a read waits before the clock is looked at again."""

RETRY_SECONDS = 0.5
"""How long to wait before an engine or a Redis that failed is asked again."""

_log = logging.getLogger(__name__)


class NeverBegan(Exception):
    """Raised when it is certain that a call's command did not run, and won't."""


class UnexpectedAfterBegin(Exception):
    """Raised from what nobody expected, once a call's frame was sent: it may not be tried again."""


class NotOurs(Exception):
    """Raised when somebody else holds the call by now."""


@dataclass(frozen=True, slots=True)
class Run:
    """A call whose frame was sent, or was about to be: in which container, and for how long.

    `end` is when its Timeout is over, by the monotonic clock.
    """

    container: str
    nonce: str
    func: Func
    end: float


class Source(Protocol):
    """What output is read from: an instance, or a replay of what one has printed."""

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        """Read what there is within `seconds`; returns whether there may be more."""


class Runner:
    """Runs the calls of one worker. Safe to share between threads."""

    def __init__(
        self, queue: CallQueue, engine: WorkerEngine, settings: Settings, supply: InstanceSupply
    ) -> None:
        self._queue = queue
        self._engine = engine
        self._settings = settings
        self._supply = supply

    def run(self, call: ReservedCall) -> None:
        """Run a call and record its end; or put it back, where it could not begin.

        Raises EngineUnavailable after it has put the call back, and whatever was not expected.
        """
        try:
            self._run(call)
        except CallFailed as error:
            self._record(call.token, _failed(error))
        except NeverBegan:
            self._put_back(call.token, call.attempt, "its containers ended before it could begin.")
        except FuncsvcError as error:
            self._put_back(call.token, call.attempt, error.message)
            raise
        except NotOurs:
            _log.warning("call %s: somebody else took it over before it began", call.id)
        except UnexpectedAfterBegin:
            self._record(call.token, _failed(ResultLost("this service failed unexpectedly")))
            raise
        except Exception:
            self._put_back(call.token, call.attempt, "this service failed unexpectedly.")
            raise

    def _run(self, call: ReservedCall) -> None:
        """Run a call in the first instance in which it begins: one that waits may have ended."""
        if call.attempt > MAX_ATTEMPTS:
            raise NotStarted("it was tried too often.")
        func = load_func(call.definition)
        for _ in range(MAX_INSTANCES):
            with suppress(NeverBegan, InstanceVanished):
                self._run_in_one(call, func)
                return
        raise NeverBegan

    def _run_in_one(self, call: ReservedCall, func: Func) -> None:
        """Run a call and record it; only then is its instance, which has the result, removed."""
        start = time.monotonic()
        with self._supply.instance_for(func, call.definition) as instance:
            outcome = self._run_in(instance, call)
            self._free_ports(instance.name, func, instance)
            if not self._record(call.token, outcome):
                self._supply.leave(instance.name)  # who holds the call may be reading from it
            _log.info(
                "call %s of %s: %s after %.1f ms, in %s instance",
                call.id,
                func.name,
                outcome.status.lower(),
                (time.monotonic() - start) * 1000,
                "a waiting" if instance.waited else "a new",
            )

    def take_over(self, call: BegunCall) -> None:
        """Follow a call that another worker began to its end, and record it."""
        _log.info("call %s: taken over", call.id)
        try:
            recorded = self._record(call.token, self._follow_up(call))
        except NeverBegan:
            self._put_back(call.token, call.attempt, "its containers ended before it could begin.")
            recorded = True
        except Exception:
            self._record(call.token, _failed(ResultLost("this service failed unexpectedly")))
            raise
        if recorded:
            self._supply.remove(call.instance)

    def _follow_up(self, call: BegunCall) -> Outcome:
        func = load_func(call.definition)
        end = time.monotonic() + func.timeout_seconds - call.running_ms / 1000
        outcome = self._recover(Run(call.instance, call.nonce, func, end))
        self._free_ports(call.instance, func)
        return outcome

    def _run_in(self, instance: Instance, call: ReservedCall) -> Outcome:
        func, nonce = instance.func, token_hex(16)
        frame = _frame(nonce, instance, call)
        begun = _until_stored(
            lambda: self._queue.begin_call(call.token, instance.name, nonce, waited=instance.waited)
        )
        if not begun:
            raise NotOurs
        try:
            instance.send(frame, Deadline(SEND_SECONDS))
        except StreamBroken:
            raise NeverBegan from None  # a starter doesn't begin on a part of its frame
        run = Run(instance.name, nonce, func, time.monotonic() + func.timeout_seconds)
        try:
            return self._follow(instance, run)
        except StreamBroken:
            return self._recover(run)
        except NeverBegan:
            raise
        except Exception as error:
            raise UnexpectedAfterBegin from error

    def _follow(self, source: Source, run: Run, *, has_ended: bool = False) -> Outcome:
        """Read to the final mark, or to the first thing that is too much; raises StreamBroken.

        Where the container has ended already, its output says how, however late it is by now.
        """
        reader = OutputReader(run.nonce, MAX_OUTPUT_BYTES)
        end = run.end
        if has_ended:
            end = max(end, time.monotonic() + self._settings.engine_gone_seconds)
        try:
            if not self._read(source, reader, run, end):
                self._look_at_death(reader, run)
            _raise_failure(reader, run.func)
        except CallFailed as error:
            return _failed(error, reader)
        return _finished(reader)

    def _read(self, source: Source, reader: OutputReader, run: Run, end: float) -> bool:
        """Read to the final mark; False when the output ends before."""
        begun_by = time.monotonic() + self._settings.lease_seconds
        while not reader.ending:
            now = time.monotonic()
            if reader.is_too_large:
                self._engine.kill(run.container, KILL_SECONDS)
                raise OutputTooLarge(MAX_OUTPUT_BYTES)
            if now >= end:
                self._engine.kill(run.container, KILL_SECONDS)
                raise CallTimedOut(run.func.timeout_seconds)
            if not (reader.begun or reader.is_garbled) and now >= begun_by:
                self._engine.kill(run.container, KILL_SECONDS)  # it won't begin any more
            if not source.read_into(reader, min(LOOK_SECONDS, end - now)):
                return reader.ending is not None
        return True

    def _recover(self, run: Run) -> Outcome:
        """Follow a call by what the engine has kept of its output, from the beginning on."""
        heard_at = time.monotonic()
        end = run.end
        if heard_at >= end:  # it is late already: the engine may take its time to say how it ended
            end = heard_at + self._settings.engine_gone_seconds
        while True:
            try:
                state = self._engine.get_state(run.container)
                if state is None:
                    return _failed(ResultLost("its container is gone"))
                with self._engine.replay(run.container) as replay:
                    heard_at = time.monotonic()
                    return self._follow(replay, run, has_ended=not state.is_running)
            except EngineUnavailable:
                now = time.monotonic()
                if now >= end:
                    return _failed(CallTimedOut(run.func.timeout_seconds))
                if now >= heard_at + self._settings.engine_gone_seconds:
                    return _failed(ResultLost("the engine is gone"))
                time.sleep(RETRY_SECONDS)

    def _look_at_death(self, reader: OutputReader, run: Run) -> None:
        """Say why an output ended without its final mark; raises, whatever it is."""
        state = self._engine.get_state(run.container)
        if state is None:
            raise ResultLost("its container was removed")
        if state.is_running:
            raise EngineUnavailable("it broke off a stream")
        if not reader.begun and not reader.is_garbled:
            raise NeverBegan
        if state.out_of_memory:
            raise OutOfMemory(run.func.size.name, state.exit_code)
        if time.monotonic() >= run.end:  # killed by a worker that could not record it any more
            raise CallTimedOut(run.func.timeout_seconds)
        raise ResultLost(f"its container was ended from outside (exit code {state.exit_code})")

    def _free_ports(self, name: str, func: Func, instance: Instance | None = None) -> None:
        """Let a container that holds ports of the host end, before the next one wants them."""
        if func.host_config.port_bindings:
            if instance is not None:
                instance.close()  # the starter waits to be let go
            self._engine.wait_until_stopped(name)

    def _record(self, token: str, outcome: Outcome) -> bool:
        """Record how a call ended; False where somebody else holds it, or it was recorded before.

        Its container, which still has it all, is kept until then.
        """
        recorded = _until_stored(lambda: self._queue.end_call(token, outcome))
        if not recorded:
            _log.warning("the end of a call was not recorded: somebody else holds it, or did so")
        return recorded

    def _put_back(self, token: str, attempt: int, reason: str) -> None:
        if attempt >= MAX_ATTEMPTS:
            self._record(token, _failed(NotStarted(reason)))
        else:
            _until_stored(lambda: self._queue.release_call(token))


def _until_stored(change: Callable[[], bool]) -> bool:
    """Make a change to a call that is ours, however long Redis is away."""
    while True:
        try:
            return change()
        except StoreUnavailable as error:
            _log.warning("%s Trying again.", error.message)
            time.sleep(RETRY_SECONDS)


def _frame(nonce: str, instance: Instance, call: ReservedCall) -> bytes:
    """Return the frame of a call; raises NotStarted where the image says no longer what to run."""
    words = command_of(instance.func, instance.image)
    if not words:
        raise NotStarted("neither the function nor its image says what to run any more.")
    terminal = instance.func.config.tty
    environment = _environment(instance.func, call)
    return make_frame(nonce, words, environment, call.payload, terminal=terminal)


def _environment(func: Func, call: ReservedCall) -> list[bytes]:
    """Return what the command's environment has beside the container's own."""
    has_term = any(entry.startswith("TERM=") for entry in func.config.env)
    return [*call.environment, *([b"TERM=xterm"] if func.config.tty and not has_term else [])]


def _finished(reader: OutputReader) -> Outcome:
    output = reader.stdout
    return Outcome(
        output=output, short_stdout=output[:SHORT_BYTES], short_stderr=reader.short_stderr
    )


def _failed(error: CallFailed, reader: OutputReader | None = None) -> Outcome:
    return Outcome(
        failure=error.failure,
        message=error.message,
        short_stdout=reader.stdout[:SHORT_BYTES] if reader else b"",
        short_stderr=reader.short_stderr if reader else b"",
    )


def _raise_failure(reader: OutputReader, func: Func) -> None:
    """Raise what a final mark says, unless it says that all went well, and the output is whole."""
    assert reader.ending is not None
    if reader.is_too_large:
        raise OutputTooLarge(MAX_OUTPUT_BYTES)
    kind, number = reader.ending.kind, reader.ending.number
    command = next(iter([*func.config.entrypoint, *func.config.cmd]), "")
    if kind == "X" and number != 0:
        raise ExitedBadly(number)
    if kind == "S":
        raise Killed(_signal_name(number))
    if kind == "O":
        raise OutOfMemory(func.size.name, number)
    if kind == "P":
        raise CommandNotRun(command, "executable file not found in $PATH", 127)
    if kind == "N":
        exit_code = 127 if number == errno.ENOENT else 126
        raise CommandNotRun(command, os.strerror(number).lower(), exit_code)
    if kind == "F":
        raise NotStarted(f"its starter failed: {os.strerror(number).lower()}.")
    if reader.is_garbled:
        raise ResultLost("it printed more than the engine keeps for one who takes a call over")


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
