"""Where the services of a purpose (run, test, bench) keep their files, and how those go away.

Standard library only: `make clean` runs this with the system's own python3.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var"
PURPOSES = ("run", "test", "bench")


def data_folder(purpose: str) -> Path:
    """What outlives the command: data and logs."""
    return VAR / purpose


def runtime_folder(purpose: str) -> Path:
    """Sockets and pid files; short, as the path of a unix socket has at most 107 bytes."""
    digest = hashlib.sha256(f"{ROOT}:{purpose}".encode()).hexdigest()[:8]
    return Path(f"/run/funcsvc-{digest}")


def as_root(*command: str | Path) -> list[str]:
    """The command line that runs `command` as root."""
    return [*([] if os.geteuid() == 0 else ["sudo"]), *map(str, command)]


def wait_until(condition: Callable[[], bool], deadline_seconds: float) -> bool:
    """Ask `condition` again and again; whether it came true before the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def hold(purpose: str, deadline_seconds: float = 10) -> TextIO:
    """Lock a purpose for this process and for each child that inherits the file.

    The deadline lets the services of a command that was just killed end first.
    """
    data_folder(purpose).mkdir(parents=True, exist_ok=True)
    file = (data_folder(purpose) / "lock").open("w")
    if not wait_until(lambda: _locks(file), deadline_seconds):
        sys.exit(f"`make {purpose}` is at work in this checkout: end it first.")
    return file


def _locks(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove(folder: Path) -> None:
    """Remove a folder, with what an engine that was killed left mounted in it."""
    for mount in _mounts_under(folder):
        subprocess.run(as_root("umount", mount), check=True)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except PermissionError:  # an engine's data belong to root
        subprocess.run(as_root("rm", "-rf", "--one-file-system", folder), check=True)


def _mounts_under(folder: Path) -> list[Path]:
    """The innermost first; see proc(5) for the format and its octal escapes."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    return sorted((point for point in points if point.is_relative_to(folder)), reverse=True)
