"""Funcs: stored definitions of what runs, in which image, how large and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from funcsvc.model.images import ImageReference
from funcsvc.model.sizes import Size

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
