"""Where the services of a purpose (run, test, bench) keep their files, and how those go away."""

import fcntl
import hashlib
import shutil
import sys
from pathlib import Path
from typing import TextIO

from dev.machine import as_root
from dev.machine.waiting import NotInTime, wait_until

ROOT = Path(__file__).resolve().parents[2]
VAR = ROOT / "var"
PURPOSES = ("run", "test", "bench")


def data_folder(purpose: str) -> Path:
    """Return the folder of what outlives the command: data and logs."""
    return VAR / purpose


def engine_folder(purpose: str) -> Path:
    """Return the folder of the data of an engine of ours."""
    return data_folder(purpose) / "docker"


def runtime_folder(purpose: str, root: Path = ROOT) -> Path:
    """Return the folder of sockets and pid files; a socket's path has at most 107 bytes."""
    digest = hashlib.sha256(f"{root}:{purpose}".encode()).hexdigest()[:8]
    return Path(f"/run/funcsvc-{digest}")


def hold(purpose: str, seconds: float = 10) -> TextIO:
    """Lock a purpose for this process and for each child that inherits the file.

    The seconds let the services of a command that was just killed end first.
    """
    data_folder(purpose).mkdir(parents=True, exist_ok=True)
    file = (data_folder(purpose) / "lock").open("w")
    try:
        wait_until(lambda: _locks(file), "it is unlocked", seconds)
    except NotInTime:
        sys.exit(f"`make {purpose}` is at work in this checkout: end it first.")
    return file


def _locks(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove(path: Path) -> None:
    """Remove a file, or a folder with what an engine that was killed left mounted in it."""
    unmount_below(path)
    try:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except FileNotFoundError:
        return
    except PermissionError:  # an engine's data belong to root
        as_root.run("rm", "-rf", "--one-file-system", path)


def unmount_below(folder: Path) -> None:
    """Unmount the innermost first; see proc(5) for the format and its octal escapes."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    for point in sorted((it for it in points if it.is_relative_to(folder)), reverse=True):
        as_root.run("umount", point)
