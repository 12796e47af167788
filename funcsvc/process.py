"""How both processes start and stop: settings or exit, logging, freed memory, the stop event."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from threading import Event, Thread

from funcsvc.config import InvalidSettings, Settings, load_settings

STOPPING = Event()
"""Set once, when this process has been told to stop: requests that wait are then answered."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Names of mallopt(3), as glibc's malloc.h numbers them."""

_MIB = 1024 * 1024
_MALLOC_OPTIONS = (
    (_M_MMAP_THRESHOLD, 8 * _MIB),
    (_M_TRIM_THRESHOLD, 16 * _MIB),
    (_M_ARENA_MAX, 2),
)


def read_settings() -> Settings:
    """Return the settings of this process's environment. Raises InvalidSettings."""
    return load_settings(os.environ)


def settings_or_exit() -> Settings:
    """Return the settings, or exit with a sentence that says what is wrong with them."""
    try:
        return read_settings()
    except InvalidSettings as error:
        sys.exit(f"funcsvc can't start: {error}")


def log_to_stderr(level: str) -> None:
    """Write log records of this level and above to standard error."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    )


def keep_freed_memory() -> None:
    """Keep up to 16 MiB of freed memory in each of at most two arenas.

    glibc would return the memory of a one-megabyte payload to the kernel, which then clears it page
    by page for the next one; that makes such a call a seventh slower. Other C libraries are left
    alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _MALLOC_OPTIONS:
            mallopt(option, value)


def set_from_handler(event: Event) -> None:
    """Set an event from a signal handler, by way of another thread.

    The thread that the signal interrupts may hold the event's lock, and would deadlock.
    """
    Thread(target=event.set).start()
