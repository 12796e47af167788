"""Child processes: each ends when the benchmark ends, by its own process id."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
_END_SECONDS = 10


@contextmanager
def child(
    command: Sequence[str],
    environment: Mapping[str, str],
    stdout: int | IO[str],
    stderr: int | IO[str],
) -> Iterator[subprocess.Popen[str]]:
    """Start a child, and end it. It ends too when this process is killed.

    In a process group of its own, so that Ctrl-C comes to this process alone, which ends it.
    """
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        process_group=0,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def children_of(parent: int) -> list[int]:
    """Return the process ids of a process's children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        if int(state.rpartition(")")[2].split()[1]) == parent:
            found.append(int(folder.name))
    return sorted(found)


def descriptors(process: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def resident_bytes(process: int) -> int:
    """Return how much of a process is in memory."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
