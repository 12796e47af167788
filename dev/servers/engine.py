"""A Docker Engine: one description of dockerd, for tests and for the commands."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker

from dev.machine import as_root, bridge, dockerd, places
from dev.machine.processes import children_of
from dev.servers.process import Server, folder


class EngineServer(Server):
    """A dockerd with a bridge of its own, of which `make_engine` makes one.

    `start` may be called again after `kill` or `end`. With `has_iptables` its containers have a way
    out; without, it leaves iptables to the other engines of this machine.
    """

    def __init__(
        self,
        place: Path,
        data: Path,
        bridge_name: str,
        *,
        has_iptables: bool,
        launcher: Sequence[str] = (),
    ) -> None:
        self.data = data
        self.bridge_name = bridge_name
        self.has_iptables = has_iptables
        namespace = dockerd.namespace_of(place)
        options = {
            "host": f"unix://{place}/docker.sock",
            "group": str(os.getgid()),
            "data-root": str(data),
            "exec-root": f"{place}/exec",
            "pidfile": f"{place}/{dockerd.PID_FILE}",
            "shutdown-timeout": "5",
            "log-level": "warn",
            "bridge": bridge_name,
            # in a containerd of the system's, keep apart from the containers of other engines
            "containerd-namespace": namespace,
            "containerd-plugins-namespace": f"{namespace}-plugins",
        }
        if not has_iptables:
            options |= dict.fromkeys(("iptables", "ip6tables", "ip-forward", "ip-masq"), "false")
        command = [*launcher, "dockerd", *(f"--{name}={text}" for name, text in options.items())]
        way = [sys.executable, "-m", "dev.machine.dockerd", str(place)]
        super().__init__(place, as_root.lasting(*way, *command))

    def __str__(self) -> str:
        return f"dockerd in {self.place}"

    @property
    def host(self) -> str:
        return f"unix://{self.place}/docker.sock"

    @property
    def pid(self) -> int:
        """The pid of dockerd itself, before which sudo and its like stand."""
        pid = super().pid
        while _name_of(pid) != "dockerd" and (below := children_of(pid)):
            pid = below[0]
        return pid

    def client(self) -> docker.APIClient:
        """Return a client to look, and to act, behind the service's back."""
        return docker.APIClient(base_url=self.host, version="1.41", timeout=30)

    def answers(self) -> bool:
        # docker-py leaves its socket open where it can't connect
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.connect(f"{self.place}/docker.sock")
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.0 200")
        return False

    def without_iptables(self) -> EngineServer:
        """Return the same engine for a machine that lets no one change iptables."""
        return EngineServer(self.place, self.data, self.bridge_name, has_iptables=False)

    def clear(self) -> None:
        """Clear away what the engine left, if it was killed, and its bridge."""
        dockerd.clear(self.place)
        for place in (self.place, self.data):
            places.unmount_below(place)

    def _signal(self, number: signal.Signals) -> None:
        as_root.run("sh", "-c", f"kill -{number:d} {self.pid}", check=False)


def make_engine(
    place: Path, data: Path, *, has_iptables: bool = False, launcher: Sequence[str] = ()
) -> EngineServer:
    """Return an engine that isn't started, with its bridge; without, where none can be made.

    Raises NoBridge when that would do harm.
    """
    dockerd.clear(place)
    name = dockerd.bridge_of(place)
    has_bridge = bridge.make(name)
    return EngineServer(
        place,
        data,
        name if has_bridge else "none",
        has_iptables=has_iptables and has_bridge,
        launcher=launcher,
    )


@contextlib.contextmanager
def engine_server() -> Iterator[EngineServer]:
    """Run a Docker Engine that has no images, no containers and no way out.

    It has one CPU, so that a size of two is too large.
    """
    one_cpu = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    with folder() as place:
        server = make_engine(place, place / "data", launcher=one_cpu)
        try:
            server.start()
            yield server
        finally:
            server.end()
            server.clear()


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
