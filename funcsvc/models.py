"""What funcsvc stores and moves between rooms: funcs, calls and the ten container sizes.

Plain values. Nothing here reads, writes, waits or knows JSON, HTTP, Redis or Docker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from funcsvc.image_reference import ImageReference

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Size:
    """A container-size preset: hard limits of every container of a func.

    `cpus` is a count of CPUs, `memory_bytes` is in bytes and has no swap on top.
    """

    name: str
    cpus: int
    memory_bytes: int


SIZES: Mapping[str, Size] = {
    name: Size(name, cpus, megabytes * MEGABYTE)
    for name, cpus, megabytes in (
        ("s1", 1, 64),
        ("s2", 1, 128),
        ("s3", 1, 256),
        ("s4", 1, 512),
        ("m1", 1, 1024),
        ("m2", 2, 2048),
        ("m3", 2, 4096),
        ("l1", 4, 4096),
        ("l2", 4, 8192),
        ("l3", 8, 16384),
    )
}
DEFAULT_SIZE = "s4"
DEFAULT_TIMEOUT_SECONDS = 300
MAX_TIMEOUT_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class PortBinding:
    """Where one container port is published. Empty strings leave the choice to the engine."""

    host_ip: str = ""
    host_port: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """What runs: the `Config` of a func. Ports are written `80/tcp`."""

    image: ImageReference
    cmd: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    env: Sequence[str] = ()
    tty: bool = False
    exposed_ports: Sequence[str] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str | int = "SIGTERM"


@dataclass(frozen=True, slots=True)
class HostConfig:
    """How a func's containers are tied to their host: the `HostConfig` of a func."""

    network_mode: str = "bridge"
    port_bindings: Mapping[str, Sequence[PortBinding]] = field(default_factory=dict)
    volumes_from: Sequence[str] = ()
    links: Sequence[str] = ()
    publish_all_ports: bool = False


@dataclass(frozen=True, slots=True)
class Func:
    """A stored definition. `uuid` is the secret part of its call address, `created` is UTC."""

    name: str
    size: Size
    timeout_seconds: int
    uuid: str
    created: datetime
    config: Config
    host_config: HostConfig


@dataclass(frozen=True, slots=True)
class Image:
    """What matters of an image that the engine has: its id, and what it runs when not told."""

    id: str
    cmd: Sequence[str]
    entrypoint: Sequence[str]

    @property
    def runs_by_itself(self) -> bool:
        """Whether it says what to run."""
        return bool(self.cmd or self.entrypoint)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What an engine has in all: a count of CPUs, and memory in bytes."""

    cpus: int
    memory_bytes: int


MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_OUTPUT_BYTES = 1024 * 1024
SHORT_BYTES = 255
"""How much of a call's streams its events show."""


class CallStatus(StrEnum):
    """Where a call is. `TRANSITIONS` has every way on."""

    PENDING = "Pending"
    RUNNING = "Running"
    FINISHED = "Finished"
    FAILED = "Failed"

    @property
    def has_ended(self) -> bool:
        """Whether there is no way on."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[CallStatus, frozenset[CallStatus]] = {
    CallStatus.PENDING: frozenset({CallStatus.RUNNING}),
    # back to pending only while its command can't have begun
    CallStatus.RUNNING: frozenset({CallStatus.FINISHED, CallStatus.FAILED, CallStatus.PENDING}),
    CallStatus.FINISHED: frozenset(),
    CallStatus.FAILED: frozenset(),
}


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
    instance: str
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
    instance: str = ""
    """What kind its instance is, `waiting` or `new`, where that is asked for and it has begun."""


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
