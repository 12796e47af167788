"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Names of mallopt(3), as glibc's malloc.h numbers them."""

_MIB = 1024 * 1024
_OPTIONS = (
    (_M_MMAP_THRESHOLD, 8 * _MIB),
    (_M_TRIM_THRESHOLD, 16 * _MIB),
    (_M_ARENA_MAX, 2),
)


def keep_freed_memory() -> None:
    """Have up to 16 MiB of freed memory kept, in each of at most two arenas, for what comes next.

    glibc would give back what a payload of a megabyte was made of, and the kernel clear it page by
    page for the next one: with that, such a call takes a seventh longer. Another C library is left
    as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _OPTIONS:
            mallopt(option, value)
