"""Starting dockerd where one was killed, and clearing away what that one left.

As a program, with a place and a command, it makes way for the command and becomes it.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from dev.machine import as_root, bridge, processes
from dev.machine.waiting import NotInTime, wait_until

PID_FILE = "dockerd.pid"
CONTAINERD = "exec/containerd/containerd"
"""What its containerd's files begin with, below the engine's place."""

END_SECONDS = 10


def namespace_of(place: Path) -> str:
    """Return the engine's name for containerd, which refuses a `_` at an end or twice."""
    return place.name.replace("_", "")


def bridge_of(place: Path) -> str:
    """Return the name of the engine's bridge: an interface's has at most 15 characters."""
    return namespace_of(place).replace("funcsvc-", "func-")


def make_way(place: Path) -> None:
    """Remove the pid files of an engine that was killed, and see that its processes have ended.

    dockerd takes the process that such a file names for a living one, be it dead or another.
    """
    for file in (place / PID_FILE, place / f"{CONTAINERD}.pid"):
        if not _ends(file, place):
            os.kill(int(file.read_text()), signal.SIGKILL)
        file.unlink(missing_ok=True)


def _ends(file: Path, place: Path) -> bool:
    """Wait until the process of a pid file has ended, and return whether it did."""
    with contextlib.suppress(NotInTime):
        return wait_until(lambda: not _runs(file, place), f"{file} is dead", END_SECONDS)
    return False


def _runs(file: Path, place: Path) -> bool:
    with contextlib.suppress(OSError):
        process = Path("/proc", file.read_text().strip())
        has_name = (process / "comm").read_text().strip() == file.stem
        return has_name and str(place).encode() in (process / "cmdline").read_bytes()
    return False


def clear(place: Path) -> None:
    """End what is left of a dockerd whose parent is gone: all its processes, and its bridge."""
    _ends(place / PID_FILE, place)
    arguments = (
        f"--pidfile={place}/{PID_FILE}",  # dockerd
        f"{place}/{CONTAINERD}.toml",  # containerd
        namespace_of(place),  # the shim of a container
    )
    left = processes.with_argument(*arguments)
    if left:
        pids = [*(child for pid in left for child in processes.children_of(pid)), *left]
        as_root.run("sh", "-c", 'kill -KILL "$@"', "sh", *map(str, pids), check=False)
        wait_until(lambda: not processes.with_argument(*arguments), f"{pids} are dead")
    bridge.remove(bridge_of(place))


if __name__ == "__main__":
    make_way(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
