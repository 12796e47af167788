"""Calls: one run of a func, from its request to its outcome, and its events in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_PAYLOAD_BYTES = 1024 * 1024


MAX_OUTPUT_BYTES = 1024 * 1024


MAX_ENVIRONMENT_BYTES = 64 * 1024
"""How much a request can add to the environment of its function."""


SHORT_BYTES = 255
"""How many bytes of each stream of a call its events show."""


class CallStatus(StrEnum):
    """The status of a call. A running call goes back to pending if its command can't have begun."""

    PENDING = "Pending"
    RUNNING = "Running"
    FINISHED = "Finished"
    FAILED = "Failed"

    @property
    def has_ended(self) -> bool:
        """Whether the status is final."""
        return self in (CallStatus.FINISHED, CallStatus.FAILED)


class InstanceKind(StrEnum):
    """Whether a call's instance was already waiting, or was made for the call."""

    WAITING = "waiting"
    NEW = "new"


class Failure(StrEnum):
    """The kinds of a function's own failures, as stored on the call."""

    FAILED = "failed"
    TIMED_OUT = "timed-out"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call as accepted. `environment` holds the request as a list of `NAME=value`."""

    id: str
    func_name: str
    func_uuid: str
    payload: bytes
    environment: Sequence[bytes]
    max_running: int
    """How many calls of its func may run at once; 0 means that only the slots limit them."""


@dataclass(frozen=True, slots=True)
class ReservedCall:
    """A call held by a worker. Changing it takes the `token`; `attempt` counts from 1."""

    id: str
    func_name: str
    token: str
    definition: str
    attempt: int
    environment: Sequence[bytes]
    payload: bytes


@dataclass(frozen=True, slots=True)
class BegunCall:
    """A call whose command might have begun, taken over from the worker that held it.

    `running_ms` is the time since its frame was about to be sent.
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
    """How a call ended: with an output, or with a failure and a message that explains it."""

    output: bytes = b""
    short_stdout: bytes = b""
    short_stderr: bytes = b""
    failure: Failure | None = None
    message: str = ""

    @property
    def status(self) -> CallStatus:
        """The status that the call ends with."""
        return CallStatus.FAILED if self.failure else CallStatus.FINISHED


@dataclass(frozen=True, slots=True)
class CallState:
    """A call as clients see it. `output` is set only if it has finished."""

    id: str
    func_name: str
    created_ms: int
    status: CallStatus
    output: bytes = b""
    failure: Failure | None = None
    message: str = ""
    instance_kind: InstanceKind | None = None
    """Set only in lists of calls, once the call has begun."""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """How many calls a func has had, by status; `total` is the sum of the others."""

    total: int
    pending: int
    running: int
    finished: int
    failed: int


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a func's log. `position` orders the events, and reading resumes after it."""

    position: str
    time_ms: int
    name: str
    call_id: str
    short_stdin: bytes = b""
    short_stdout: bytes = b""
    short_stderr: bytes = b""
    message: str = ""
