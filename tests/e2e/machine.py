"""A machine of a test's own, as far as its network goes: a namespace in which commands run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

OWN_SYS = """
mkdir -p "$0" && mount --rbind /sys/fs/cgroup "$0" &&
mount -t sysfs sysfs /sys && mount --rbind "$0" /sys/fs/cgroup && exec "$@"
"""
"""/sys shows the network of whoever mounted it."""


class Machine:
    """A network namespace that forwards nothing, as one that never had an engine."""

    def __init__(self) -> None:
        self.name = f"funcsvc-test-{uuid.uuid4().hex[:8]}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("sh", "-c", "ip link set lo up; echo 0 >/proc/sys/net/ipv4/ip_forward")

    def command(self, *words: str | Path) -> list[str]:
        """Return the command line that runs a command there."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, words)]

    def command_with_sys(self, folder: Path, *words: str) -> tuple[str, ...]:
        """Return the same with a /sys that shows this network; the folder is for its making."""
        return (*self.command("unshare", "--mount", "sh", "-c", OWN_SYS, folder), *words)

    def run(self, *words: str | Path) -> str:
        """Run a command, and return what it printed."""
        command = self.command(*words)
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
        return done.stdout

    def state(self) -> str:
        """Return what it forwards, and the chains for that."""
        tables = [self.run("iptables", "-w", "-t", table, "-S") for table in ("filter", "nat")]
        return self.run("cat", "/proc/sys/net/ipv4/ip_forward") + "".join(tables)

    def notes(self) -> list[Path]:
        """Return the notes of what it was like before."""
        number = os.stat(f"/run/netns/{self.name}").st_ino
        return [*Path("/run").glob(f"funcsvc-forwarding-{number}*")]

    def close(self) -> None:
        """Remove it, and its note."""
        for path in self.notes():
            path.unlink()
        subprocess.run(["ip", "netns", "delete", self.name], check=True)


@contextlib.contextmanager
def own_machine() -> Iterator[Machine]:
    """Have one; skips where it can't be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network namespace")
    made = Machine()
    try:
        yield made
    finally:
        made.close()
