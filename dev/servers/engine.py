"""A Docker Engine: one description of dockerd, for tests and for the commands."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

import docker

from dev.machine import as_root, bridge, dockerd, places
from dev.servers.process import Server, folder


class Networking(Enum):
    """What containers of an engine may reach."""

    CLOSED = "the way out, and those that they link"
    OPEN = "the way out, and each other"
    OFFLINE = "each other alone: the engine leaves iptables to others"


class EngineServer(Server):
    """A dockerd with a bridge of its own. `start` may be called again after `kill` or `end`."""

    def __init__(
        self,
        place: Path,
        data: Path,
        *,
        networking: Networking = Networking.OFFLINE,
        launcher: Sequence[str] = (),
    ) -> None:
        dockerd.clear(place, data)
        self.data = data
        self.launcher = launcher
        self.bridge = bridge.make(dockerd.bridge_of(place))
        super().__init__(place, [])
        self.command = self.command_line(networking)

    def command_line(self, networking: Networking) -> list[str]:
        """Return the command line of dockerd, as root, where another may have been killed."""
        place, namespace = self.place, dockerd.namespace_of(self.place)
        options = {
            "host": f"unix://{place}/docker.sock",
            "group": str(os.getgid()),
            "data-root": str(self.data),
            "exec-root": f"{place}/exec",
            "pidfile": f"{place}/{dockerd.PID_FILE}",
            "cgroup-parent": dockerd.cgroup_of(place),
            "shutdown-timeout": "5",
            "log-level": "warn",
            "bridge": self.bridge,
            # in a containerd of the system's, keep apart from the containers of other engines
            "containerd-namespace": namespace,
            "containerd-plugins-namespace": f"{namespace}-plugins",
        }
        if networking == Networking.CLOSED:
            options["icc"] = "false"
        elif networking == Networking.OFFLINE:
            options |= dict.fromkeys(("iptables", "ip6tables", "ip-forward", "ip-masq"), "false")
        way = [sys.executable, "-B", "-m", "dev.machine.dockerd", str(place), *self.launcher]
        words = (f"--{name}={text}" for name, text in options.items())
        return as_root.lasting(*way, "dockerd", *words)

    def __str__(self) -> str:
        return f"dockerd in {self.place}"

    @property
    def host(self) -> str:
        return f"unix://{self.place}/docker.sock"

    @property
    def pid(self) -> int:
        """The pid of dockerd itself, before which a launcher stands, or root's side."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.place / dockerd.PID_FILE).read_text())
        return super().pid

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

    def clear(self) -> None:
        """Remove the bridge, and what an engine that was killed leaves outside of its place."""
        dockerd.clear(self.place, self.data)
        places.unmount_below(self.data)

    def _signal(self, number: signal.Signals) -> None:
        as_root.run("sh", "-c", f"kill -{number:d} {self.pid}", check=False)


@contextlib.contextmanager
def engine_server() -> Iterator[EngineServer]:
    """Run a Docker Engine that has no images, no containers and no way out.

    It has one CPU, so that a size of two is too large. Engines at once needn't share one.
    """
    cpu = random.choice(sorted(os.sched_getaffinity(0)))  # a choice, no secret
    one_cpu = ["taskset", "-c", str(cpu)]
    with folder() as place:
        server = EngineServer(place, place / "data", launcher=one_cpu)
        try:
            server.start()
            yield server
        finally:
            server.end()
            server.clear()
