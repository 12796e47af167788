"""Takes the time of named stages, again and again."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """The milliseconds that each stage took, by name. For one thread."""

    def __init__(self) -> None:
        self.taken_ms: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Take the time of a block."""
        start = time.perf_counter()
        yield
        self.taken_ms[name].append((time.perf_counter() - start) * 1000)
