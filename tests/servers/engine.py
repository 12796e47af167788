"""A Docker Engine of a test's own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker

from tests.servers.process import START_SECONDS, Server, folder, wait_until


class EngineServer(Server):
    """A dockerd with a bridge of its own, and with one CPU, so that a size of two is too large.

    `start` may be called again after `kill` or `end`.
    """

    def __init__(self, place: Path) -> None:
        namespace = place.name.replace("_", "")  # which containerd refuses at an end or twice
        self._has_bridge = False
        self.bridge = f"fs-{namespace.removeprefix('fs')}"
        options = {
            "host": f"unix://{place}/sock",
            "group": str(os.getgid()),
            "data-root": f"{place}/data",
            "exec-root": f"{place}/exec",
            "pidfile": f"{place}/pid",
            "shutdown-timeout": "5",
            "bridge": self.bridge,
            "iptables": "false",
            "ip6tables": "false",
            "ip-forward": "false",
            "ip-masq": "false",
            "containerd-namespace": namespace,
            "containerd-plugins-namespace": f"{namespace}-plugins",
        }
        cpu = min(os.sched_getaffinity(0))
        arguments = [f"--{key}={text}" for key, text in options.items()]
        super().__init__(place, ["taskset", "-c", str(cpu), "dockerd", *arguments])

    def __str__(self) -> str:
        return f"dockerd in {self.place}"

    @property
    def host(self) -> str:
        return f"unix://{self.place}/sock"

    def client(self) -> docker.APIClient:
        """Return a client to look, and to act, behind the service's back."""
        return docker.APIClient(base_url=self.host, version="1.41", timeout=30)

    def start(
        self, is_ready: Callable[[], Any] | None = None, seconds: float = START_SECONDS
    ) -> None:
        super().start(is_ready or self._answers, seconds)

    def kill(self) -> None:
        super().kill()
        self._end_containerd()  # it goes with its dockerd, a moment later

    def end(self) -> None:
        super().end()
        self._end_containerd()

    def make_bridge(self) -> None:
        """Make the engine's bridge: a dockerd that has none removes docker0 from under others."""
        self._ip("link", "add", "name", self.bridge, "type", "bridge")
        self._has_bridge = True
        self._ip("address", "add", _free_address(), "dev", self.bridge)

    def remove_bridge(self) -> None:
        """Remove the bridge that `make_bridge` made, and no other."""
        if self._has_bridge:
            self._ip("link", "delete", "dev", self.bridge, "type", "bridge")

    def remove_mounts(self) -> None:
        """Unmount what is left below the engine's own folders, the innermost first."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
        for point in sorted((it for it in points if self.place in it.parents), reverse=True):
            subprocess.run(["umount", point], check=True, env=self.environment, timeout=30)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, env=self.environment, timeout=30)

    def _answers(self) -> bool:
        # docker-py leaves its socket open where it can't connect
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.connect(f"{self.place}/sock")
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.0 200")
        return False

    def _end_containerd(self) -> None:
        """Wait until its containerd has gone too, and with it the files by which dockerd finds it.

        dockerd would take a dead one, or another process of that number, for a living one.
        """
        pid_file = self.place / "exec/containerd/containerd.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text())
        try:
            wait_until(lambda: not self._is_ours(pid), "containerd ends", seconds=5)
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not self._is_ours(pid), "containerd ends when it is killed")
        pid_file.unlink()
        (self.place / "pid").unlink(missing_ok=True)

    def end_shims(self) -> None:
        """Kill what is left of containers of an engine that was killed; shims name their engine."""
        for shim in _processes(f"{self.place}/exec/containerd/containerd.sock"):
            for pid in [*_children(shim), shim]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.place).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False


def _processes(word: str) -> list[int]:
    """Return the processes with a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _children(pid: int) -> list[int]:
    try:
        return [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _free_address() -> str:
    """Return an address in a network that no interface of this machine is in.

    Of 198.18.0.0/15, which RFC 2544 sets aside for tests and which nobody's network uses.
    """
    taken = Path("/proc/net/fib_trie").read_text()
    numbers = random.sample(range(256), 256)  # so that two runs at once seldom meet
    return next(f"198.18.{n}.1/24" for n in numbers if f" 198.18.{n}." not in taken)


@contextlib.contextmanager
def engine_server() -> Iterator[EngineServer]:
    """Run a Docker Engine that has no images, no containers and no way out."""
    with folder() as place:
        server = EngineServer(place)
        try:
            server.make_bridge()
            server.start()
            yield server
        finally:
            server.end()
            server.end_shims()
            server.remove_mounts()
            server.remove_bridge()
