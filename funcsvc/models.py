"""What funcsvc stores and moves between rooms: funcs and the ten container sizes.

Plain values. Nothing here reads, writes, waits or knows JSON, HTTP, Redis or Docker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
