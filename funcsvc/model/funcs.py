"""Funcs: stored definitions of what runs, in which image, in which size and for how long."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from funcsvc.model.images import ImageReference
from funcsvc.model.ports import MAX_PUBLISHED_PORTS, PortBindings, count_takers
from funcsvc.model.sizes import Size

DEFAULT_TIMEOUT_SECONDS = 300


MAX_TIMEOUT_SECONDS = 86400


STARTER_FOLDER = "/.funcsvc"
"""Where every container has the starter, and nothing of its func's."""


def is_in_starter_folder(path: str) -> bool:
    """Tell whether an absolute path, cleaned as the engine does it, is there."""
    cleaned = "/" + posixpath.normpath(path).lstrip("/")
    return f"{cleaned}/".startswith(f"{STARTER_FOLDER}/")


@dataclass(frozen=True, slots=True)
class Config:
    """The `Config` of a func: what it runs. Ports are written `80/tcp`."""

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
    """The `HostConfig` of a func: how its containers are connected to their host."""

    network_mode: str = "bridge"
    port_bindings: PortBindings = field(default_factory=dict)
    volumes_from: Sequence[str] = ()
    links: Sequence[str] = ()
    publish_all_ports: bool = False

    @property
    def has_fixed_ports(self) -> bool:
        """Whether it publishes on specific host ports, not only on those that the engine picks."""
        return any(one.host_port for bound in self.port_bindings.values() for one in bound)

    @property
    def names_other_containers(self) -> bool:
        """Whether the engine looks up other containers when it creates one with these options."""
        is_joined = self.network_mode.startswith("container:")
        return bool(self.links or self.volumes_from or is_joined)

    @property
    def max_containers(self) -> int:
        """How many containers surely get their host ports at once; 0 means no limit.

        A container on the host's network publishes nothing: the engine ignores its bindings.
        """
        if self.network_mode == "host":
            return 0
        if self.count_published() > MAX_PUBLISHED_PORTS:  # stored before there was this limit
            return 1
        takers = count_takers(self.port_bindings).items()
        return min((max(ports.number // count, 1) for ports, count in takers), default=0)

    @property
    def overbooked(self) -> Iterator[tuple[str, int]]:
        """The host ports, or ranges, that have more takers than ports: how many they have."""
        takers = {} if self.network_mode == "host" else count_takers(self.port_bindings)
        return ((it.text, count) for it, count in takers.items() if count > it.number)

    def count_published(self, exposed_ports: Iterable[str] = ()) -> int:
        """Return how many ports are published, if the container also exposes these."""
        if self.network_mode == "host":
            return 0
        bound = {port for port, bindings in self.port_bindings.items() if bindings}
        unbound = {*exposed_ports, *self.port_bindings} - bound if self.publish_all_ports else ()
        return len(unbound) + sum(map(len, self.port_bindings.values()))


@dataclass(frozen=True, slots=True)
class Func:
    """A stored definition. `uuid` is the secret part of its call address; `created` is in UTC."""

    name: str
    size: Size
    timeout_seconds: int
    uuid: str
    created: datetime
    config: Config
    host_config: HostConfig

    @property
    def may_wait(self) -> bool:
        """Whether its instances can be made before the calls that they run.

        They can't if fixed host ports limit their number, or if the engine looks up other
        containers when it creates them: those could have been replaced by the time of the call.
        """
        host = self.host_config
        return not host.has_fixed_ports and not host.names_other_containers

    def max_running(self, operators_limit: int) -> int:
        """Return how many of its calls may run at once; 0 means no limit.

        Fixed host ports are a limit, since a container holds them for as long as it exists.
        """
        limits = (operators_limit, self.host_config.max_containers)
        return min((limit for limit in limits if limit > 0), default=0)
