"""Calls: what is known of one run of a func, from its request to its outcome, and its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_PAYLOAD_BYTES = 1024 * 1024


MAX_OUTPUT_BYTES = 1024 * 1024


SHORT_BYTES = 255
"""How much of a call's streams its events show."""


class CallStatus(StrEnum):
    """Where a call is. One that runs is pending again if its command can't have begun."""

    PENDING = "Pending"
    RUNNING = "Running"
    FINISHED = "Finished"
    FAILED = "Failed"

    @property
    def has_ended(self) -> bool:
        """Whether it stays so."""
        return self in (CallStatus.FINISHED, CallStatus.FAILED)


class InstanceKind(StrEnum):
    """Where a call's instance came from: it waited for the call, or was made for it."""

    WAITING = "waiting"
    NEW = "new"


class Failure(StrEnum):
    """The kinds of a function's own failures, as they are stored on the call."""

    FAILED = "failed"
    TIMED_OUT = "timed-out"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call as it is accepted. `environment` has the request's `NAME=value` in bytes."""

    id: str
    func_name: str
    func_uuid: str
    payload: bytes
    environment: Sequence[bytes]
    max_running: int
    """How many calls of its func may run at once; 0 is as many as there are slots."""


@dataclass(frozen=True, slots=True)
class ReservedCall:
    """A call that a worker holds. Only `token` may change it; `attempt` counts from 1."""

    id: str
    token: str
    definition: str
    attempt: int
    environment: Sequence[bytes]
    payload: bytes


@dataclass(frozen=True, slots=True)
class BegunCall:
    """A call whose command may have begun, taken over from the worker that held it.

    `running_ms` is how long ago its frame was about to be sent.
    """

    id: str
    token: str
    definition: str
    attempt: int
    container: str
    nonce: str
    running_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: with an output, or with a failure and the sentence that says why."""

    output: bytes = b""
    short_stdout: bytes = b""
    short_stderr: bytes = b""
    failure: Failure | None = None
    message: str = ""

    @property
    def status(self) -> CallStatus:
        """What the call's status becomes."""
        return CallStatus.FAILED if self.failure else CallStatus.FINISHED


@dataclass(frozen=True, slots=True)
class CallState:
    """What is known of a call from outside; `output` only where it has finished."""

    id: str
    func_name: str
    created_ms: int
    status: CallStatus
    output: bytes = b""
    failure: Failure | None = None
    message: str = ""
    instance_kind: InstanceKind | None = None
    """Known only in lists of calls, and once the call has begun."""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many calls of a func there were, and are; `total` is the sum of the others."""

    total: int
    pending: int
    running: int
    finished: int
    failed: int


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a func's log. `position` orders events, and is where reading goes on."""

    position: str
    time_ms: int
    name: str
    call_id: str
    short_stdin: bytes = b""
    short_stdout: bytes = b""
    short_stderr: bytes = b""
    message: str = ""
