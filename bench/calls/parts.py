"""The parts of the benchmark of calls, in the order in which they are measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from bench.calls import cold, enqueue, memory, split, sustained, waiting
from bench.calls.section import Section
from bench.calls.stage import Stage

PARTS: Mapping[str, Callable[[Stage], Section]] = {
    "enqueue": enqueue.measure,
    "cold": cold.measure,
    "waiting": waiting.measure,
    "sustained": sustained.measure,
    "memory": memory.measure,
    "split": split.measure,
}


def measure(stage: Stage, names: Collection[str]) -> Iterator[Section]:
    """Measure the parts of these names."""
    for name, part in PARTS.items():
        if name not in names:
            continue
        start = time.monotonic()
        section = part(stage)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        yield section
