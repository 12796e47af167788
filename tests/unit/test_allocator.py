"""What the C library does with freed memory, seen in the faults of a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
from funcsvc.allocator import keep_freed_memory

keeps = {keeps} and keep_freed_memory()
for number in range(20):
    if number == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [bytes(1024 * 1024) for _ in range(4)]
    del parts
print(keeps, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keeps: bool) -> tuple[bool, int]:
    """Return whether memory is kept, and the page faults of 60 megabytes that came and went."""
    command = [sys.executable, "-c", PROGRAM.format(keeps=keeps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    kept, count = done.stdout.split()
    return kept == "True", int(count)


def test_freed_memory_is_used_again_without_the_kernel() -> None:
    kept, few = faults(keeps=True)
    if not kept:
        pytest.fail("this C library has no mallopt, and the tests are for glibc")
    _, many = faults(keeps=False)
    assert few < 100
    assert many > 1000, "this C library keeps it by itself: keep_freed_memory can go"
