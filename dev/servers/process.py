"""One process of a test: started, waited for, paused, killed, ended; and what it printed."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dev.machine.as_root import SEARCH_PATH
from dev.machine.places import ROOT, remove
from dev.machine.processes import await_end, with_parent
from dev.machine.waiting import PATIENCE_SECONDS, wait_until

LOOPBACK = "127.0.0.1"
PORTS = 10_000, 32_000
STOP_SECONDS = 20
TAIL_LINES = 40

_running: list[Server] = []
_ended: deque[tuple[str, str]] = deque(maxlen=8)


def free_port(span: int = 1) -> int:
    """Return a port that nobody has on any address, nor the next ones, `span` in all.

    They lie below those that the kernel hands out, which others could be given at any moment.
    """
    for first in random.sample(range(*PORTS), 1000):
        if all(map(_is_free, range(first, first + span))):
            return first
    raise OSError("None of 1,000 ports is free.")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind(("", port))
        except OSError:
            return False
    return True


def listens(address: int | Path) -> bool:
    """Tell whether somebody accepts connections at a port of loopback, or at a unix socket."""
    is_port = isinstance(address, int)
    with socket.socket(socket.AF_INET if is_port else socket.AF_UNIX) as probe:
        return probe.connect_ex((LOOPBACK, address) if is_port else str(address)) == 0


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Give an empty folder with a path short enough for unix sockets."""
    place = Path(tempfile.mkdtemp(prefix="fs", dir="/tmp"))
    try:
        yield place
    finally:
        remove(place)


def forget_ended() -> None:
    """Forget what servers printed that have ended."""
    _ended.clear()


def log_tails() -> list[tuple[str, str]]:
    """Return name and last lines of every server that runs, or ended since `forget_ended`."""
    return [*_ended, *((str(server), server.tail()) for server in _running)]


class Server:
    """One process. Its folder's `log` has all that it prints."""

    def __init__(
        self, place: Path, command: list[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.place = place
        self.command = command
        self.environment = {"PATH": SEARCH_PATH, **(environment or {})}
        self.log_file = place / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return f"{Path(self.command[0]).name} in {self.place}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended since."""
        return self.process is not None and self.process.poll() is None

    def answers(self) -> bool:
        """Tell whether the server can be used."""
        raise NotImplementedError

    def start(
        self, is_ready: Callable[[], Any] | None = None, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Start the process and wait until it is ready; fail when it ends instead.

        It is ready when it answers, unless it is told otherwise.
        """
        is_ready = is_ready or self.answers
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                with_parent("KILL", *self.command),
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        _running.append(self)
        wait_until(lambda: not self.is_running or is_ready(), f"{self} is ready", seconds)
        assert self.is_running, f"{self} ended:\n{self.tail()}"

    def pause(self) -> None:
        """Stop every thread of the process, as a machine that hangs would."""
        self._signal(signal.SIGSTOP)
        wait_until(lambda: _thread_states(self.pid) == {"T"}, f"{self} stands still")

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process with no chance to tidy up."""
        self._send(signal.SIGKILL)

    def end(self) -> None:
        """End the process, paused or not; returns when it is gone."""
        self._send(signal.SIGTERM)

    def log(self) -> str:
        """Return all that the process has printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def tail(self) -> str:
        """Return the last lines that the process has printed."""
        return "\n".join(self.log().splitlines()[-TAIL_LINES:])

    def _send(self, number: signal.Signals) -> None:
        if self not in _running or self.process is None:
            return
        _running.remove(self)
        if self.process.poll() is None:
            self._signal(signal.SIGCONT)
            self._signal(number)
        await_end(self.process, STOP_SECONDS)
        _ended.append((str(self), self.tail()))

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)


AnyServer = TypeVar("AnyServer", bound=Server)


@contextlib.contextmanager
def running(make: Callable[[Path], AnyServer]) -> Iterator[AnyServer]:
    """Run a server that is made with an empty folder."""
    with folder() as place:
        server = make(place)
        try:
            server.start()
            yield server
        finally:
            server.end()


def _thread_states(pid: int) -> set[str]:
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return {text.rpartition(")")[2].split()[0] for text in texts}
