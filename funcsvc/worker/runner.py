"""Runs one call at most once, from its reservation to its recorded end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex

from funcsvc.engine import (
    Instance,
    InstanceVanished,
    StreamBroken,
    WorkerEngine,
    command_of,
    make_frame,
)
from funcsvc.model import BegunCall, Func, InstanceKind, Outcome, ReservedCall
from funcsvc.model.errors import (
    CallFailed,
    FuncsvcError,
    InvalidDefinition,
    NotStarted,
    NotStartedYet,
    ResultLost,
    StoreUnavailable,
)
from funcsvc.schemas import check_rules, load_func
from funcsvc.store import CallQueue
from funcsvc.worker.clock import Clock
from funcsvc.worker.deaths import Deaths, NeverBegan
from funcsvc.worker.following import Follower, Run
from funcsvc.worker.instances import InstancePool
from funcsvc.worker.outcomes import failed

UNEXPECTED = "this service failed unexpectedly"

_log = logging.getLogger(__name__)


class FailedAfterSend(Exception):
    """Raised when following a call fails unexpectedly. It has begun, and must not run again."""


class NotHeld(Exception):
    """Raised when another worker now holds the call."""


@dataclass(frozen=True, kw_only=True)
class RunnerLimits:
    """How often and for how long to try to begin a call."""

    max_attempts: int = 10
    """How often a call is reserved before it fails because its command could not begin."""
    max_instances: int = 3
    """How many instances are tried in a row before a call goes back to the queue."""
    max_deaths: int = 2
    """How many containers, made for one call, may end by themselves before it could begin."""
    send_seconds: float = 30
    retry_seconds: float = 0.5


class Runner:
    """Runs the calls of one worker. Safe to share between threads."""

    def __init__(  # noqa: PLR0913  # each is a part that tests replace
        self,
        queue: CallQueue,
        engine: WorkerEngine,
        pool: InstancePool,
        follower: Follower,
        *,
        limits: RunnerLimits | None = None,
        clock: Clock = time,
    ) -> None:
        self._queue = queue
        self._engine = engine
        self._pool = pool
        self._follower = follower
        self._limits = limits or RunnerLimits()
        self._clock = clock
        self._deaths = Deaths(self._limits.max_deaths)

    def run(self, call: ReservedCall) -> None:
        """Run a call and record its end, or put it back if it could not begin.

        Raises EngineUnavailable, after putting the call back, and any unexpected error.
        """
        try:
            self._run(call)
        except (NeverBegan, NotStartedYet) as error:
            self._put_back(call, error.reason)
        except CallFailed as error:  # from the engine, before the call began
            self._record(call, failed(error))
        except FuncsvcError as error:
            self._put_back(call, error.message)
            raise
        except NotHeld:
            _log.warning("call %s: another worker took it over before it began", call.id)
        except FailedAfterSend:
            self._record(call, failed(ResultLost(UNEXPECTED)))
            raise
        except Exception:
            self._put_back(call, f"{UNEXPECTED}.")
            raise

    def take_over(self, call: BegunCall) -> None:
        """Follow a call that another worker began, and record its end."""
        _log.info("call %s: taken over", call.id)
        try:
            func = load_func(call.definition)
            end = self._clock.monotonic() + func.timeout_seconds - call.running_ms / 1000
            outcome = self._follower.recover(Run(call.container, call.nonce, func, end))
            self._free_ports(call.container, func)
            is_done = self._record(call, outcome)
        except NeverBegan as error:
            self._put_back(call, error.reason)
            is_done = True
        except Exception:
            self._record(call, failed(ResultLost(UNEXPECTED)))
            raise
        if is_done:
            self._pool.remove(call.container)

    def _run(self, call: ReservedCall) -> None:
        """Run a call in the first instance in which it begins; a waiting one might have ended."""
        if call.attempt > self._limits.max_attempts:
            raise NotStarted("it was tried too often.")
        func, last = _load(call.definition), NeverBegan()
        for _ in range(self._limits.max_instances):
            try:
                with suppress(InstanceVanished):
                    self._run_in_one(call, func)
                    return
            except NeverBegan as error:
                last = error
                _log.warning("call %s of %s: %s", call.id, func.name, error.reason)
                if error.is_death and self._deaths.add(call.id):
                    raise NotStarted(error.reason) from None
        raise last

    def _run_in_one(self, call: ReservedCall, func: Func) -> None:
        """Run a call in one instance, which is removed only after the result is recorded."""
        start = self._clock.monotonic()
        with self._pool.lend(func) as instance:
            outcome = self._run_in(instance, call)
            self._free_ports(instance.name, func, instance)
            if not self._record(call, outcome):
                self._pool.leave(instance.name)  # the call's holder might be reading it
                return
            _log.info(
                "call %s of %s: %s after %.1f ms, in a %s instance",
                call.id,
                func.name,
                outcome.status.lower(),
                (self._clock.monotonic() - start) * 1000,
                instance.kind,
            )

    def _run_in(self, instance: Instance, call: ReservedCall) -> Outcome:
        """Send a call's frame to an instance, and follow the call to its end."""
        nonce, waited = token_hex(16), instance.kind is InstanceKind.WAITING
        frame = _frame(nonce, instance, call)
        begin = self._queue.begin_call
        if not self._until_stored(lambda: begin(call.token, instance.name, nonce, waited=waited)):
            raise NotHeld
        try:
            instance.send(frame, self._limits.send_seconds)
        except StreamBroken:  # a starter never begins on an incomplete frame
            raise self._unsent(instance, nonce) from None
        end = self._clock.monotonic() + instance.func.timeout_seconds
        try:
            return self._follower.follow(instance, Run(instance.name, nonce, instance.func, end))
        except NeverBegan:
            raise
        except Exception as error:
            raise FailedAfterSend from error

    def _unsent(self, instance: Instance, nonce: str) -> NeverBegan:
        """Return why an instance didn't take its frame; a waiting one had ended before.

        Then the next one doesn't have to wait, so that isn't the call's.
        """
        if instance.kind is InstanceKind.WAITING:
            return NeverBegan()
        return self._follower.explain_unsent(instance.name, nonce)

    def _free_ports(self, container: str, func: Func, instance: Instance | None = None) -> None:
        """Wait until a container has freed its host ports, so that the next one can bind them."""
        if func.host_config.port_bindings:
            if instance is not None:
                instance.close()  # the starter waits for this
            self._engine.wait_until_stopped(container)

    def _record(self, call: ReservedCall | BegunCall, outcome: Outcome) -> bool:
        """Record how a call ended. Return False if another worker holds it or has recorded it.

        Until then the call's container is kept, because it still has the whole result.
        """
        recorded = self._until_stored(lambda: self._queue.end_call(call.token, outcome))
        if not recorded:
            _log.info(
                "call %s: its end was not recorded, for it was removed, or another worker holds it",
                call.id,
            )
        return recorded

    def _put_back(self, call: ReservedCall | BegunCall, reason: str) -> None:
        if call.attempt >= self._limits.max_attempts:
            self._record(call, failed(NotStarted(reason)))
        else:
            self._until_stored(lambda: self._queue.release_call(call.token))

    def _until_stored(self, change: Callable[[], bool]) -> bool:
        """Make a change to a call, retrying for as long as Redis can't be used."""
        while True:
            try:
                return change()
            except StoreUnavailable as error:
                _log.warning("%s Retrying.", error.message)
                self._clock.sleep(self._limits.retry_seconds)


def _frame(nonce: str, instance: Instance, call: ReservedCall) -> bytes:
    """Return the frame of a call. Raises NotStarted if no frame can hold its command."""
    words = command_of(instance.func, instance.image)
    if not words:
        raise NotStarted("neither the function nor its image says what to run any more.")
    terminal = instance.func.config.tty
    environment = _environment(instance.func, call)
    try:
        return make_frame(nonce, words, environment, call.payload, terminal=terminal)
    except ValueError as error:
        raise NotStarted(f"its command or environment can't be passed on: {error}.") from error


def _load(definition: str) -> Func:
    """Return the func of a stored definition. Raises NotStarted if it breaks a rule by now."""
    try:
        check_rules(definition)
    except InvalidDefinition as error:
        fields = ", ".join(error.field_errors)  # without their values, which callers may not see
        raise NotStarted(f"its definition breaks a rule by now, in {fields}.") from error
    return load_func(definition)


def _environment(func: Func, call: ReservedCall) -> list[bytes]:
    """Return what a call adds to the environment of its container."""
    has_term = any(entry.startswith("TERM=") for entry in func.config.env)
    return [*call.environment, *([b"TERM=xterm"] if func.config.tty and not has_term else [])]
