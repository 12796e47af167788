"""Commands that need root.

Root runs them itself. For any other user the root side runs them (`dev.machine.root_side`), which
sudo starts once; so a password is asked for at the start or never. As a program, with the root
side's socket and a command, it lasts as long as the command, and ends it when it ends itself.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dev.machine.waiting import NotInTime, wait_until

SEARCH_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
SOCKET = "DEV_ROOT_SIDE"
"""The variable that tells a job of this command where the root side is."""

START_SECONDS = 120
"""A password may have to be typed."""

UNDO_SECONDS = 200
NOT_UNDONE = "The process that ran as root was killed: `make clean` removes what is left."
COMMAND_BYTES = 100_000

_started = contextlib.ExitStack()
atexit.register(_started.close)


class NoRoot(Exception):
    """Raised when this user can't become root."""


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as root, and return what it printed; without `check` it may fail in silence."""
    # through env, for a program that isn't there is then a failure like any other
    words = ["env", f"PATH={SEARCH_PATH}", *map(str, command)]
    return subprocess.run(
        words if os.geteuid() == 0 else lasting(*words),
        check=check,
        stdout=subprocess.PIPE,
        stderr=None if check else subprocess.DEVNULL,
        text=True,
        process_group=0,  # the terminal's signals aren't for it
    )


def lasting(*command: str) -> list[str]:
    """Return the command line that runs a command as root for as long as its parent lives."""
    if os.geteuid() == 0:
        return [*command]
    if SOCKET not in os.environ:
        place = Path(tempfile.mkdtemp(prefix="fs", dir="/tmp"))
        os.environ[SOCKET] = str(_started.enter_context(root_side(place)))
    return [sys.executable, "-m", "dev.machine.as_root", os.environ[SOCKET], *command]


@contextlib.contextmanager
def root_side(place: Path, data: Path | None = None) -> Iterator[Path]:
    """Have a root side, and give its socket, in a place that is made for this user.

    At the end of this process, however it comes, the root side undoes what was made for the engine
    at that place, unmounts what is mounted in the data, and removes the place. Exits with a
    sentence if it was killed before, and no other can do so.
    """
    program = [sys.executable, "-B", "-m", "dev.machine.root_side"]  # no compiled file of root's
    words = [*program, str(os.getuid()), str(os.getgid()), str(place)]
    words += [str(data)] if data else []
    process = _start(words)
    try:
        path = _socket_of(process, place)
    except BaseException:
        _end(process)
        raise
    try:
        yield path
    finally:
        if _end(process) != 0 and not _undoes(words):
            sys.exit(NOT_UNDONE)


def _start(words: list[str]) -> subprocess.Popen[bytes]:
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    try:
        return subprocess.Popen([*sudo, *words], stdin=subprocess.PIPE)
    except FileNotFoundError:
        raise NoRoot("This needs root: run it as root, or install sudo.") from None


def _end(process: subprocess.Popen[bytes]) -> int:
    """Wait until a root side has ended, which undoes all, and return its exit status."""
    assert process.stdin is not None
    process.stdin.close()
    os.killpg(0, signal.SIGCONT)  # Ctrl-Z stops sudo
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(UNDO_SECONDS)
    return 1


def _undoes(words: list[str]) -> bool:
    """Have another root side, whose command has ended already; it may ask for no password."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    return subprocess.run([*sudo, *words], stdin=subprocess.DEVNULL, check=False).returncode == 0


def _socket_of(process: subprocess.Popen[bytes], place: Path) -> Path:
    path = place / "root.sock"
    with contextlib.suppress(NotInTime):
        wait_until(lambda: process.poll() is not None or _connects(path), "root", START_SECONDS)
    if process.poll() is not None or not _connects(path):
        raise NoRoot("This needs root, and the process that is to run as root didn't start.")
    return path


def _connects(path: Path) -> bool:
    with contextlib.suppress(OSError), connect(path):
        return True
    return False


def connect(path: Path) -> socket.socket:
    """Return a connection to the root side."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def share(path: Path, descriptor: int) -> None:
    """Have the root side keep a file open until it has undone all: a lock that it holds, too."""
    with connect(path) as connection:
        socket.send_fds(connection, [b"[]"], [descriptor])
        connection.recv(1)


def run_there(path: Path, command: list[str]) -> int:
    """Have a command run by the root side, to these standard streams, until it or this ends."""
    with connect(path) as connection:
        signal.signal(signal.SIGTERM, lambda *_: connection.shutdown(socket.SHUT_WR))
        socket.send_fds(connection, [json.dumps(command).encode()], [1, 2])
        status = connection.recv(16)
    return int(status) if status else 1


if __name__ == "__main__":
    sys.exit(run_there(Path(sys.argv[1]), sys.argv[2:]))
