"""How the C library reuses freed memory, seen in the page faults of a separate process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dev import servers

PROGRAM = """
import resource
{start}
for number in range(20):
    if number == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [bytes(1024 * 1024) for _ in range(4)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
STARTS = {
    "web": """
import runpy
runpy.run_path("gunicorn.conf.py")
""",
    "worker": """
import funcsvc.worker
from funcsvc.cli import main
funcsvc.worker.make_worker = lambda *_: None
main(["worker"], standalone_mode=False)
""",
}


def count_faults(start: str) -> int:
    """Return the page faults of 15 times 4 MiB, in a process that starts with `start`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(start=start)],
        cwd=servers.ROOT,
        env={"PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return int(done.stdout)


@pytest.mark.parametrize("process", STARTS)
def test_freed_memory_is_used_again_without_the_kernel(process: str) -> None:
    assert count_faults(STARTS[process]) < 100


def test_c_library_would_give_freed_memory_back() -> None:
    assert count_faults("") > 1000, "it keeps it by itself: keep_freed_memory can go"
