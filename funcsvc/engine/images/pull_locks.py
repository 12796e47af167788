"""Locks between the threads and processes of a host, so that only one pulls an image at a time.

They are locks on files, which are released when their process ends, however it ends.
"""

from __future__ import annotations

import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

MAX_LOCK_FILES = 4096
"""Lock files are never removed, so their number is limited. Rarely, two images share one."""


@contextmanager
def pull_lock(work: str, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock of a pull. Raises TimeoutError if it doesn't become free in time."""
    number = zlib.crc32(work.encode()) % MAX_LOCK_FILES
    with FileLock(_lock_folder() / f"{number}.lock", timeout=timeout_seconds):
        yield


def _lock_folder() -> Path:
    """Return a folder for this user only. Raises PermissionError if it belongs to another user."""
    folder = Path(tempfile.gettempdir(), f"funcsvc-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not a folder of this user's")
    return folder
