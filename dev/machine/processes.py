"""Processes: how they end with their parent, and those of others, as /proc shows them."""

import contextlib
import os
import subprocess
from pathlib import Path


def with_parent(number: str, *command: str) -> list[str]:
    """Return the command line of a child that gets a signal when its parent dies, even killed."""
    return ["setpriv", "--pdeathsig", number, *command]


def children_of(pid: int) -> list[int]:
    """Return the children of a process; none when it is gone."""
    with contextlib.suppress(OSError):
        return [
            int(child)
            for path in Path(f"/proc/{pid}/task").glob("*/children")
            for child in path.read_text().split()
        ]
    return []


def with_argument(*arguments: str) -> list[int]:
    """Return the processes that have one of these arguments on their command line."""
    wanted, found = {argument.encode() for argument in arguments}, []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if wanted.intersection(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
    return found


def named(name: str) -> list[int]:
    """Return the processes of this name, but for those that are seen to have another network."""
    found, network = [], os.readlink("/proc/self/ns/net")
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if path.read_text().strip() == name and _network_of(path.parent) in (network, ""):
                found.append(int(path.parent.name))
    return found


def _network_of(process: Path) -> str:
    with contextlib.suppress(PermissionError):
        return os.readlink(process / "ns/net")
    return ""


def await_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until a child that was told to end has ended; past its time, kill it."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
