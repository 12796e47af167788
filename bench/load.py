"""The load: wrk in one thread, keep-alive connections; a new name in each create.

Its percentiles are corrected for the requests that a stalled connection did not send.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.processes import child
from bench.runs import CONNECTIONS, BenchFailed, Run

_SCRIPT = Path(__file__).with_name("requests.lua")


def run_load(url: str, names: str, image: str, seconds: float) -> Run:
    """Create funcs whose names begin with `names`; raises BenchFailed unless all get a 2xx."""
    return _run_wrk([url, "--", "create", names, image], CONNECTIONS, seconds)


def run_gets(
    url: str, seconds: float, connections: int = CONNECTIONS, headers: Sequence[str] = ()
) -> Run:
    """GET one URL again and again; raises BenchFailed unless all get a 2xx."""
    options = [word for header in headers for word in ("--header", header)]
    return _run_wrk([*options, url], connections, seconds)


def run_posts(url: str, body_bytes: int, seconds: float, connections: int = CONNECTIONS) -> Run:
    """POST a body to one URL again and again; raises BenchFailed unless all get a 2xx."""
    return _run_wrk([url, "--", "post", str(body_bytes)], connections, seconds)


def _run_wrk(arguments: Sequence[str], connections: int, seconds: float) -> Run:
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds:g}s"]
    options += ["--timeout", "10s", "--script", str(_SCRIPT)]
    command = ["wrk", *options, *arguments]
    with child(command, os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        text, _ = process.communicate(timeout=seconds + 30)
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not lines:
        raise BenchFailed(f"wrk failed: {text[-500:]}")
    return _run(json.loads(lines[-1]))


def _run(result: dict[str, float]) -> Run:
    bad, broken = result.pop("bad_statuses"), result.pop("broken")
    if bad or broken or not result["requests"]:
        raise BenchFailed(
            f"Of {result['requests']:,} requests {bad:,} were not answered 2xx, and {broken:,} "
            "connections broke or timed out."
        )
    return Run(**result)  # type: ignore[arg-type]  # wrk's counts are whole numbers
