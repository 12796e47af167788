"""A worker's slots, and the share of them that each func may take while others wait."""

from __future__ import annotations

import threading
from collections import Counter


class Slots:
    """Counts the calls that run, in all and by func. Safe to share between threads."""

    def __init__(self, slots: int, share_percent: int) -> None:
        self._free = threading.Semaphore(slots)
        self._share = slots * share_percent // 100
        self._last = ""
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def acquire(self, seconds: float) -> bool:
        """Take a slot for the next call, waiting at most `seconds` for a free one."""
        return self._free.acquire(timeout=seconds)

    def release(self) -> None:
        """Free a slot in which no call ran."""
        self._free.release()

    def begin(self, func_name: str) -> None:
        """Count a slot that was taken as one of a func."""
        with self._lock:
            self._taken[func_name] += 1
            self._last = func_name

    def end(self, func_name: str) -> None:
        """Free a slot of a func."""
        with self._lock:
            self._taken[func_name] -= 1
            if not self._taken[func_name]:
                del self._taken[func_name]
        self._free.release()

    def with_share(self) -> list[str]:
        """Return the funcs that have their share, which come after all others.

        Where a share is one slot or less, that is also the func that came last: with its only slot
        free again, it would otherwise be as far below its share as those that wait.
        """
        with self._lock:
            names = {name for name, taken in self._taken.items() if taken >= self._share}
            if self._share <= 1 and self._last:
                names.add(self._last)
        return sorted(names)
