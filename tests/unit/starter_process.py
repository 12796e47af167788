"""The starter as a plain process: frames go in by a pipe, and the marks in its output are read."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine.containers.protocol import Ending, Mark, OutputReader, make_frame

STARTER = str(files("funcsvc.starter").joinpath("funcsvc-starter"))
NONCE = "0123456789abcdef" * 2
NOBODY = 65534
IS_ROOT = os.geteuid() == 0
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Outcome:
    """How a call ended: the final marks, the starter's own exit status, and the output."""

    ending: Ending | None
    status: int
    stdout: bytes
    stderr: bytes


class Starter:
    """A starter that waits for its frame. As a context manager it leaves no process behind."""

    def __init__(self, before: Sequence[str] = (), program: str = STARTER, **options: Any) -> None:
        self._reader = OutputReader(NONCE, 16 * MEBIBYTE, 16 * MEBIBYTE)
        self.raw = {1: b"", 2: b""}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process: Any = subprocess.Popen([*before, program], bufsize=0, **pipes, **options)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ, 1)
        self._selector.register(self.process.stderr, selectors.EVENT_READ, 2)

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def child(self) -> int:
        """The only child: the command, or the starter itself if `before` started it."""
        return child_of(self.pid)

    @property
    def stdout(self) -> bytes:
        """What the command has printed so far."""
        return self._reader.stdout

    @property
    def has_ended(self) -> bool:
        """Whether both final marks have arrived."""
        return self._reader.ending is not None

    def send(self, data: bytes) -> None:
        """Send bytes and leave the input open."""
        self.process.stdin.write(data)

    def begin(
        self,
        words: Sequence[str],
        payload: bytes = b"",
        environment: Sequence[bytes] = (),
        terminal: bool = False,
    ) -> None:
        """Send a whole frame and leave the input open."""
        self.send(make_frame(NONCE, words, environment, payload, terminal=terminal))

    def end_input(self) -> None:
        self.process.stdin.close()

    def read_until(self, is_enough: Callable[[], object]) -> None:
        """Read both streams until a condition is true, or until they have ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_enough() and self._selector.get_map():
            assert time.monotonic() < deadline, f"it doesn't come: {self.raw}"
            for key, _ in self._selector.select(0.1):
                self._read(key)

    def finish(self) -> Outcome:
        """Read to the final marks or the ends of the streams. Return how the call ended."""
        self.read_until(lambda: self._reader.ending)
        self.end_input()
        status = self.process.wait(PATIENCE_SECONDS)
        return Outcome(self._reader.ending, status, self._reader.stdout, self._reader.short_stderr)

    def wait_until(self, is_so: Callable[[], object]) -> None:
        """Wait for a condition without reading."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, "it doesn't come to be so"
            time.sleep(0.005)

    def wait_until_waiting(self) -> None:
        """Return when the starter has blocked its signals, which it does before it reads."""
        self.wait_until(lambda: int(self.proc_status("SigBlk"), 16))

    def proc_status(self, name: str) -> str:
        """Return a field of the starter's /proc/<pid>/status."""
        with open(f"/proc/{self.pid}/status") as file:
            return next(line.split()[1] for line in file if line.startswith(f"{name}:"))

    def cpu_ticks(self) -> int:
        """Return the CPU time that the starter has used, in hundredths of a second."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def _read(self, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, 65536)
        if not data:
            self._selector.unregister(key.fileobj)
        self.raw[key.data] += data
        self._reader.feed(key.data, data)


def child_of(pid: int) -> int:
    """Return the pid of a process's only child."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def as_nobody(**options: Any) -> Starter:
    """Return a starter that runs as an ordinary user, without access to the program's folder."""
    file = os.open(STARTER, os.O_RDONLY)
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if IS_ROOT else {}
    try:
        return Starter(program=f"/proc/self/fd/{file}", pass_fds=[file], **user, **options)
    finally:
        os.close(file)


def call(
    words: Sequence[str],
    payload: bytes = b"",
    environment: Sequence[bytes] = (),
    terminal: bool = False,
    **options: Any,
) -> Outcome:
    """Run one call from its frame to its end."""
    with Starter(**options) as starter:
        starter.begin(words, payload, environment, terminal)
        return starter.finish()


def call_shell(
    script: str, payload: bytes = b"", terminal: bool = False, **options: Any
) -> Outcome:
    """Run a call of a shell script."""
    return call(["sh", "-c", script], payload, terminal=terminal, **options)


def exited(status: int, stdout: bytes = b"", stderr: bytes = b"") -> Outcome:
    """Return the outcome of a command that exited."""
    return Outcome(Ending(Mark.EXITED, status), status, stdout, stderr)


def ended_from_outside(number: signal.Signals, stdout: bytes = b"") -> Outcome:
    """Return the outcome of a call whose starter was told to end."""
    return Outcome(Ending(Mark.ENDED_FROM_OUTSIDE, number), 128 + number, stdout, b"")


def killed(number: signal.Signals, stdout: bytes = b"") -> Outcome:
    """Return the outcome of a command that a signal killed."""
    return Outcome(Ending(Mark.KILLED, number), 128 + number, stdout, b"")


def not_run(kind: Mark, number: int, status: int) -> Outcome:
    """Return the outcome of a command that was not run."""
    return Outcome(Ending(kind, number), status, b"", b"")
