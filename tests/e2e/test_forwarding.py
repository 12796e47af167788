"""What engines change for the whole machine is restored, in whatever order they end.

The machine is a network namespace; the engines are programs of the name, and do nothing.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import servers
from dev.machine import forwarding, processes
from tests.e2e.machine import Machine, own_machine

CHANGES = """
echo 1 >/proc/sys/net/ipv4/ip_forward
iptables -w -P FORWARD DROP
iptables -w -N DOCKER-USER 2>/dev/null && iptables -w -A FORWARD -j DOCKER-USER
true"""
STAY = ("-c", "kill -STOP $$")
CLEAR = "from dev.machine.dockerd import Path, clear; clear(Path('{0}'), Path('{0}/data'))"


@pytest.fixture
def machine() -> Iterator[Machine]:
    with own_machine() as made:
        yield made


class Engine:
    """A process that is started as dockerd is."""

    def __init__(self, machine: Machine, folder: Path, *flags: str) -> None:
        self.machine = machine
        self.place = place = folder / f"fs{uuid.uuid4().hex[:8]}"
        place.mkdir()
        program = shutil.copy("/bin/sh", place / "dockerd")
        command = [sys.executable, "-m", "dev.machine.dockerd", place, program, *STAY, *flags]
        self.process = subprocess.Popen(machine.command(*command), cwd=servers.ROOT)
        servers.wait_until(
            lambda: self.process.pid in processes.with_argument(str(program)) and self.is_dockerd(),
            "it is dockerd",
        )
        if not flags:
            machine.run("sh", "-c", CHANGES)

    def is_dockerd(self) -> bool:
        return Path(f"/proc/{self.process.pid}/comm").read_text() == "dockerd\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def clear(self) -> None:
        """Clear away what it left, as the command does that started it."""
        self.kill()
        self.machine.run(sys.executable, "-c", CLEAR.format(self.place))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["as-started", "reversed"])
def test_whoever_ends_last_restores_what_was_before_the_first(
    machine: Machine, tmp_path: Path, order: tuple[int, int]
) -> None:
    before = machine.state()
    engines = [Engine(machine, tmp_path) for _ in range(2)]
    try:
        changed = machine.state()
        assert changed != before
        first, last = (engines[i] for i in order)
        first.clear()
        assert machine.state() == changed
        last.clear()
        assert machine.state() == before
    finally:
        for engine in engines:
            engine.kill()


def test_engine_after_one_that_was_killed_restores_what_was_before_that(
    machine: Machine, tmp_path: Path
) -> None:
    before = machine.state()
    Engine(machine, tmp_path).kill()
    Engine(machine, tmp_path).clear()
    assert machine.state() == before
    assert machine.notes() == []


def test_engine_that_forwards_nothing_keeps_nobody_from_restoring(
    machine: Machine, tmp_path: Path
) -> None:
    before = machine.state()
    other = Engine(machine, tmp_path, forwarding.FORWARDS_NOTHING)
    try:
        assert machine.notes() == []
        Engine(machine, tmp_path).clear()
        assert machine.state() == before
    finally:
        other.kill()
