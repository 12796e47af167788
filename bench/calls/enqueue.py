"""Accepting calls, with no worker to take them, against the bare Flask route; and a full queue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from statistics import median
from typing import Any
from uuid import uuid4

import redis

from bench.calls.client import PAYLOAD, CallAddress, CallClient
from bench.calls.section import Section
from bench.calls.stage import Stage
from bench.load import run_posts
from bench.report import Row
from bench.runs import CONNECTIONS, BenchFailed, Run, interleave
from funcsvc.config import load_settings
from funcsvc.model import NewCall
from funcsvc.store import CallStore
from funcsvc.store.calls import ENVIRONMENT_SEPARATOR

PENDING = 100_000
EMPTY, BARE, FULL = "empty queue", "bare route", f"{PENDING:,} pending"
CONTENDERS = (EMPTY, BARE, FULL)
_LEAST_OF_BARE, _LEAST_OF_EMPTY = 0.5, 0.9

_CHUNK = 1_000
_REST_SECONDS = 1
_UNDERWAY_SECONDS = 0.5

_HOW = (
    "`POST /call/NAME/UUID` with 64 bytes by wrk over {connections} connections, with no worker, "
    "so that the queue only grows; and the same to one bare Flask route under the same gunicorn "
    "settings, which reads the body, answers a short JSON and uses no Redis. {rounds} rounds of "
    "{seconds:g} s runs in turns."
)


def measure(stage: Stage) -> Section:
    """Measure; raises BenchFailed when calls are answered that were not stored."""
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for service in (stage.bare, stage.service):  # warm both up
        _run(stage, replace(stage.create_func(), port=service.port), 1)
    for name in interleave(CONTENDERS, stage.plan.rounds):
        runs[name].append(_turn(stage, name))
    stage.data.clear()
    how = _HOW.format(
        connections=CONNECTIONS, rounds=stage.plan.rounds, seconds=stage.plan.wrk_seconds
    )
    return Section("Accepting calls", how, _rows(runs))


def _turn(stage: Stage, name: str) -> Run:
    address = stage.create_func()
    pending = PENDING if name == FULL else 0
    if name == BARE:
        return _run(stage, replace(address, port=stage.bare.port), stage.plan.wrk_seconds)
    fill(stage, address, pending)
    run = _run(stage, address, stage.plan.wrk_seconds)
    time.sleep(_UNDERWAY_SECONDS)  # what wrk left under way is stored too
    with closing(CallClient(address)) as client:
        stored = client.get_status()["Pending"] - pending
    if not run.requests <= stored <= run.requests + CONNECTIONS:
        raise BenchFailed(f"{run.requests:,} calls were accepted, and {stored:,} stored.")
    return run


def _run(stage: Stage, address: CallAddress, seconds: float) -> Run:
    stage.data.settle()
    time.sleep(_REST_SECONDS)
    return run_posts(address.url, len(PAYLOAD), seconds)


def _rows(runs: dict[str, list[Run]]) -> list[Row]:
    rows = [
        Row(f"accepted a second: {name}", [run.rate for run in runs[name]]) for name in CONTENDERS
    ]
    for name in CONTENDERS:
        rows.append(Row(f"p50, ms: {name}", [run.p50_ms for run in runs[name]], "{:.1f}"))
        rows.append(Row(f"p99, ms: {name}", [run.p99_ms for run in runs[name]], "{:.1f}"))
    rows.append(_ratio(runs, EMPTY, BARE, _LEAST_OF_BARE))
    rows.append(_ratio(runs, FULL, EMPTY, _LEAST_OF_EMPTY))
    return rows


def _ratio(runs: dict[str, list[Run]], above: str, below: str, least: float) -> Row:
    pairs = zip(runs[above], runs[below], strict=True)
    values = [upper.rate / lower.rate for upper, lower in pairs]
    goal, reached = f"at least {least:g}", median(values) >= least
    return Row(f"rate: {above} / {below}", values, "{:.2f}", goal, reached)


def fill(stage: Stage, address: CallAddress, calls: int) -> None:
    """Have so many calls pending, as the web process itself stores them, but many at a time."""
    if not calls:
        return
    settings = load_settings(stage.environment)
    environment = _environment_of_a_call(stage, address)
    with redis.Redis.from_url(settings.redis_url, socket_timeout=60) as client:
        for start in range(0, calls - 1, _CHUNK):
            pipeline = _Pipeline(client)
            store = CallStore(pipeline, None, settings)  # type: ignore[arg-type]  # writes only
            for _ in range(min(_CHUNK, calls - 1 - start)):
                store.create_call(_new_call(address, environment))
            pipeline.execute()


def _new_call(address: CallAddress, environment: Sequence[bytes]) -> NewCall:
    return NewCall(
        id=str(uuid4()),
        func_name=address.name,
        func_uuid=address.uuid,
        payload=PAYLOAD,
        environment=environment,
        max_running=0,
    )


def _environment_of_a_call(stage: Stage, address: CallAddress) -> list[bytes]:
    """Return what a call by HTTP had stored; that one is the first of those that are pending."""
    with closing(CallClient(address)) as client:
        call_id = client.enqueue()
    stored = stage.data.get_field(stage.data.keys.call(call_id), "environment")
    return stored.split(ENVIRONMENT_SEPARATOR)


class _Pipeline:
    """Stands where CallStore has its client: takes the writes, and sends them together."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._pipeline = client.pipeline(transaction=False)
        self._known: set[str] = set()

    def write(self, script: Any, keys: list[str], args: Sequence[Any]) -> str:
        """Take a write; its deadline is far."""
        if script.sha not in self._known:
            self._client.script_load(script.text)
            self._known.add(script.sha)
        deadline_ms = int(time.time() * 1000) + 3_600_000
        self._pipeline.evalsha(script.sha, len(keys), *keys, *args, deadline_ms)
        return "created"

    def execute(self) -> None:
        """Send the writes; raises BenchFailed unless each was carried out."""
        verdicts = {bytes(verdict) for verdict, _ in self._pipeline.execute()}
        if verdicts != {b"created"}:
            raise BenchFailed(f"The queue could not be filled: {sorted(verdicts)!r}")
