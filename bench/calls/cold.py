"""A call without waiting instances against `docker run`, call by call in turns."""

from __future__ import annotations

from contextlib import closing

from bench.calls.client import CallClient
from bench.calls.section import Section, latency_rows, ratio_row, take_turns
from bench.calls.stage import Stage

CALL, RUN = "call, none waiting", "docker run"
MOST_OF_RUN = 1.1
_WARM_UP_CALLS = 3

_HOW = (
    "A call of `cat` with 64 bytes through gunicorn, `/sync`, by one client on a kept connection, "
    "and `docker run --rm -i IMAGE cat` with the same bytes, in turns: {calls} of each. Each "
    "begins when no container of the one before is left."
)


def measure(stage: Stage) -> Section:
    """Measure; raises BenchFailed at the first wrong output."""
    address = stage.create_func()
    with stage.worker(waiting=False) as worker, closing(CallClient(address)) as client:

        def call() -> float:
            stage.wait_until_quiet(worker)
            return client.call_sync()

        def run() -> float:
            stage.wait_until_quiet(worker)
            return stage.docker.run()

        contenders = {CALL: call, RUN: run}
        take_turns(contenders, _WARM_UP_CALLS)
        latencies = take_turns(contenders, stage.plan.cold_calls)
    rows = [*latency_rows(latencies), ratio_row(latencies, CALL, RUN, MOST_OF_RUN)]
    how = _HOW.format(calls=stage.plan.cold_calls)
    return Section("A call without waiting instances", how, rows, latencies)
