"""Processes: how they end with their parent, and those of others, as /proc shows them."""

import contextlib
import subprocess
from collections.abc import Iterator
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
    wanted = {argument.encode() for argument in arguments}
    return [int(path.parent.name) for path, words in _command_lines() if wanted & set(words)]


def _command_lines() -> Iterator[tuple[Path, list[bytes]]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path, path.read_bytes().split(b"\0")


def await_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until a child that was told to end has ended; past its time, kill it."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
