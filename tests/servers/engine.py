"""A Docker Engine of a test's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import requests

from tests.servers.process import Server, folder, wait_until


class EngineServer(Server):
    """A dockerd without network. `start` may be called again after `kill` or `end`."""

    def __init__(self, place: Path) -> None:
        options = {
            "host": f"unix://{place}/sock",
            "group": str(os.getgid()),
            "data-root": f"{place}/data",
            "exec-root": f"{place}/exec",
            "pidfile": f"{place}/pid",
            "shutdown-timeout": "5",
            "bridge": "none",
            "iptables": "false",
            "ip6tables": "false",
            "ip-masq": "false",
            "containerd-namespace": place.name,
            "containerd-plugins-namespace": f"{place.name}-plugins",
        }
        super().__init__(place, ["dockerd", *(f"--{key}={text}" for key, text in options.items())])

    @property
    def host(self) -> str:
        return f"unix://{self.place}/sock"

    def client(self) -> docker.APIClient:
        """Return a client to look, and to act, behind the service's back."""
        return docker.APIClient(base_url=self.host, version="1.41", timeout=30)

    def start(self, is_ready: Callable[[], Any] | None = None) -> None:
        super().start(is_ready or self._answers)

    def kill(self) -> None:
        super().kill()
        self._end_containerd()  # it goes with its dockerd, a moment later

    def end(self) -> None:
        super().end()
        self._end_containerd()

    def remove_mounts(self) -> None:
        """Unmount what is left below the engine's own folders, the innermost first."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
        for point in sorted((it for it in points if self.place in it.parents), reverse=True):
            subprocess.run(["umount", point], check=True, env=self.environment, timeout=30)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except (docker.errors.DockerException, requests.RequestException):
            return False

    def _end_containerd(self) -> None:
        pid_file = self.place / "exec/containerd/containerd.pid"
        if not pid_file.exists():
            return
        command_line = Path("/proc", pid_file.read_text().strip(), "cmdline")

        def is_gone() -> bool:
            try:
                return str(self.place).encode() not in command_line.read_bytes()
            except OSError:
                return True

        try:
            wait_until(is_gone, "containerd ends with its dockerd", seconds=5)
        except AssertionError:
            os.kill(int(command_line.parent.name), signal.SIGKILL)
            wait_until(is_gone, "containerd ends when it is killed", seconds=5)


@contextlib.contextmanager
def engine_server() -> Iterator[EngineServer]:
    """Run a Docker Engine that has no images, no containers and no network."""
    with folder() as place:
        server = EngineServer(place)
        try:
            server.start()
            yield server
        finally:
            server.end()
            server.remove_mounts()
