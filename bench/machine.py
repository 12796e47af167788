"""The machine that the figures are of."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

_QUIET_LOAD = 0.25
"""The load a core above which something else is at work here."""


def machine_line(redis_version: str, engine_version: str) -> str:
    """Say what was measured on, and with what."""
    line = versions_line(redis_version, engine_version)
    return f"{_processor()}, Linux {platform.release()}, {line}"


def versions_line(redis_version: str, engine_version: str) -> str:
    """Say how many cores there were, and with what was measured."""
    cores = len(os.sched_getaffinity(0))
    packages = ", ".join(f"{name} {version(name)}" for name in ("Flask", "gunicorn", "redis"))
    return (
        f"{cores} cores, Python {platform.python_version()}, {packages}, "
        f"Redis {redis_version}, Docker Engine {engine_version}"
    )


def load_warning() -> str:
    """Return a sentence when the machine is not quiet, or nothing."""
    load = os.getloadavg()[0]
    if load <= _QUIET_LOAD * len(os.sched_getaffinity(0)):
        return ""
    return f"Warning: the load average is {load:.1f} before the start; the figures are noisy."


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
