"""What is measured against what: each contender, how it is started, how one run of it is made.

`CONTENDERS` is the table; `report.GOALS` says how they must fare against each other.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from secrets import token_hex
from threading import Barrier
from typing import Any

from bench import BenchFailed, load
from bench.engine import CREATED, IMAGE, RUNNING, Engine
from bench.insides import container_of
from bench.load import CONNECTIONS, Run, run_wrk
from bench.stage import Stage, Worker, serve
from dev.servers import LOOPBACK, Service
from funcsvc.model import MAX_PAYLOAD_BYTES

PAGE, MANY = 100, 100_000
"""How many funcs are a page; how many funcs, and pending calls, count as many."""

LEAD_SECONDS = (60, 5)
"""How long calls at an even pace precede a burst, usually and where it is only tried."""

_BURST_CALLS = 10
_KEY, _SECRET = "bench", "benchsecret"  # of a service on loopback, for as long as it runs
_UNDERWAY_SECONDS = 0.5
"""What wrk left under way is stored too by then."""

_ANY = os.urandom(MAX_PAYLOAD_BYTES)
_TEXT = (b"x" * 63 + b"\n") * (MAX_PAYLOAD_BYTES // 64)
"""In lines as long as those of many texts: the engine logs each of them."""


def create_funcs(stage: Stage, service: Service, *, stored: int = 0) -> Run:
    """Create funcs of new names, which are counted and removed."""
    if stored:
        stage.store_funcs(stored)
    what = f"create run-{token_hex(4)} {IMAGE}"
    run = run_wrk(f"{service.url}/funcs/create", stage.pick(10, 2), what)
    time.sleep(_UNDERWAY_SECONDS)
    index = 0 if service is stage.bare else 1
    _check_stored(run, stage.data.clear() - index - stored)
    return run


def get_func(stage: Stage, service: Service, *, connections: int = CONNECTIONS) -> Run:
    """Get the only func, with a signature where there are keys."""
    stage.store_funcs(1)
    stage.bare.create("helloworld", IMAGE)
    headers = [] if service in (stage.web, stage.bare) else _signed(service.port)
    options = [f"--connections={connections}", *(f"--header={header}" for header in headers)]
    return run_wrk(f"{service.url}/funcs/helloworld", stage.pick(5, 2), options=options)


def list_funcs(stage: Stage, service: Service, *, stored: int) -> Run:
    """Get the first page of all."""
    stage.store_funcs(stored)
    return run_wrk(f"{service.url}/funcs?limit={PAGE}", stage.pick(5, 2))


def accept_calls(stage: Stage, service: Service, *, pending: int = 0) -> Run:
    """Call, with no worker to take the calls, and this many pending before, or a few more."""
    path = stage.create_cat()
    while (before := _count_pending(stage, path)) < pending:
        _enqueue(service, path, 4)
    stage.settle()
    run = _enqueue(service, path, stage.pick(6, 2))
    if service is stage.web:
        _check_stored(run, _count_pending(stage, path) - before)
    return run


def _enqueue(service: Service, path: str, seconds: float) -> Run:
    return run_wrk(f"{service.url}/call/{path}", seconds, f"post {len(load.PAYLOAD)}")


def _count_pending(stage: Stage, path: str) -> int:
    time.sleep(_UNDERWAY_SECONDS)
    return int(stage.web.request("GET", f"/status/{path}").json["Pending"])


def _check_stored(run: Run, stored: int) -> None:
    if not run.requests <= stored <= run.requests + CONNECTIONS:
        raise BenchFailed(f"{run.requests:,} requests were answered, and {stored:,} stored.")


def docker_run(stage: Stage, engine: Engine) -> float:
    labels = [f"--label={name}={value}" for name, value in engine.labels.items()]
    return engine.run_cat("run", "--rm", "-i", *labels, IMAGE)


def call_in_a_burst(stage: Stage, worker: Worker) -> tuple[list[float], int]:
    """Call at an even pace for a while, then many times at once, over connections that are there.

    Return the milliseconds of these, and how many of them met a waiting instance.
    """
    start, together, taken_ms = time.monotonic(), Barrier(_BURST_CALLS), list[float]()
    for number in range(2 * stage.pick(*LEAD_SECONDS)):
        time.sleep(max(0, start + number / 2 - time.monotonic()))
        worker.call()
    time.sleep(1 / 2)

    @contextmanager
    def connect() -> Iterator[HTTPConnection]:
        with stage.web.connection() as connection:
            load.ask(connection, "GET", "/healthz")
            together.wait(10)
            yield connection

    def call(connection: HTTPConnection) -> None:
        taken_ms.append(load.call(connection, worker.path))

    met = worker.count_met()
    load.work_at_once(_BURST_CALLS, load.for_count(_BURST_CALLS), connect, call)
    return taken_ms, worker.count_met() - met


def call_for_seconds(stage: Stage, worker: Worker) -> float:
    """Call, but don't count the calls that were served by what waited before."""
    engine, service = stage.engine, worker.service
    load.call_at_once(stage.web, worker.path, load.for_seconds(2))
    engine.wait_until_quiet(service, [RUNNING] if worker.has_waiting else [])
    waited, start = len(engine.list_running(service)), time.monotonic()
    calls = load.call_at_once(stage.web, worker.path, load.for_seconds(stage.pick(15, 5)))
    engine.wait_until_quiet(service, [RUNNING, CREATED] if worker.has_waiting else [])
    seconds = time.monotonic() - start
    used_up = max(0, waited - len(engine.list_running(service)))
    return (calls - used_up) / seconds


def drive_docker_py(stage: Stage, engine: Engine) -> float:
    return engine.drive_docker_py(cat_container(stage), stage.pick(15, 5))


def cat_container(stage: Stage) -> dict[str, Any]:
    """Return what docker-py creates a container with that is like a call's."""
    stage.create_cat()
    return container_of(stage.data.get_definition("cat"), stage.engine.labels)


def _signed(port: int) -> list[str]:
    """Return the headers of a signed GET of a func; good for five minutes."""
    date, body = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256().hexdigest()
    names = "host;x-hyper-content-sha256;x-hyper-date"
    headers = f"host:{LOOPBACK}:{port}\nx-hyper-content-sha256:{body}\nx-hyper-date:{date}\n"
    canonical = f"GET\nfuncs/helloworld\n\n{headers}\n{names}\n{body}"
    scope = f"{date[:8]}/bench/hyper/hyper_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"HYPER{_SECRET}".encode()
    for part in (*scope.split("/"), f"HYPER-HMAC-SHA256\n{date}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = f"Credential={_KEY}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    sums = [f"X-Hyper-Date: {date}", f"X-Hyper-Content-Sha256: {body}"]
    return [*sums, f"Authorization: HYPER-HMAC-SHA256 {signed}"]


STARTS: Mapping[str, Callable[[Stage], AbstractContextManager[Any]]] = {
    "web": lambda stage: nullcontext(stage.web),
    "web with keys": lambda stage: serve(
        "wsgi:app", {**stage.environment, "FUNCSVC_ACCESS_KEYS": f"{_KEY}:{_SECRET}"}
    ),
    "bare route": lambda stage: nullcontext(stage.bare),
    "engine": lambda stage: nullcontext(stage.engine),
    "shared container": lambda stage: stage.engine.shared_container(),
    "cold worker": lambda stage: stage.run_worker(waiting=False),
    "warm worker": lambda stage: stage.run_worker(waiting=True),
}
"""How contenders are started. The services, and the engine, are there all the time."""

CONTENDERS: Mapping[str, Mapping[str, tuple[str, Callable[[Stage, Any], Any]]]] = {
    "creating": {
        "funcsvc": ("web", create_funcs),
        "bare route": ("bare route", create_funcs),
        "engine": ("engine", lambda stage, engine: engine.create_containers(stage.pick(10, 2))),
        "funcsvc, 100,000 stored": ("web", partial(create_funcs, stored=MANY)),
    },
    "reading": {
        "inspect": ("web", get_func),
        "bare GET of a key": ("bare route", get_func),
        "page of 100 from 100": ("web", partial(list_funcs, stored=PAGE)),
        "page of 100 from 100,000": ("web", partial(list_funcs, stored=MANY)),
        "inspect, open, one client": ("web", partial(get_func, connections=1)),
        "inspect, signed, one client": ("web with keys", partial(get_func, connections=1)),
    },
    "enqueue": {
        "empty queue": ("web", accept_calls),
        "bare route": ("bare route", accept_calls),
        "100,000 pending": ("web", partial(accept_calls, pending=MANY)),
    },
    "cold": {
        "call, none waiting": ("cold worker", lambda _, worker: worker.call()),
        "docker run": ("engine", docker_run),
    },
    "waiting": {
        "call, one waiting": ("warm worker", lambda _, worker: worker.call()),
        "docker run": ("engine", docker_run),
        "docker exec": (
            "shared container",
            lambda stage, one: stage.engine.run_cat("exec", "-i", one),
        ),
    },
    "waiting, 1 MB": {
        "call, one waiting, 1 MB of any bytes": (
            "warm worker",
            lambda _, worker: worker.call(_ANY),
        ),
        "call, one waiting, 1 MB of text": ("warm worker", lambda _, worker: worker.call(_TEXT)),
    },
    "waiting, bursts": {"burst of 10": ("warm worker", call_in_a_burst)},
    "sustained": {
        "calls, none waiting": ("cold worker", call_for_seconds),
        "calls, instances waiting": ("warm worker", call_for_seconds),
        "docker-py": ("engine", drive_docker_py),
    },
}
"""What is measured in turns, by group and name: how it is started, by STARTS, and one run of it.

A run gives a Run of load, the milliseconds of one call or of several, or calls by the second.
"""


@contextmanager
def started(stage: Stage, start: str) -> Iterator[Any]:
    """Have something started; where it is already, that is given again."""
    if start in stage.started:
        yield stage.started[start]
        return
    with STARTS[start](stage) as given:
        stage.started[start] = given
        try:
            yield given
        finally:
            del stage.started[start]


def take_turns(stage: Stage, group: str, rounds: int) -> dict[str, list[Any]]:
    """Make a run of each contender in every round; return what they gave, in order.

    Each round begins with the next one, and every other goes backwards, so that none has the same
    before it each time. What is not started already is started for each run.
    """
    names = [*CONTENDERS[group]]
    taken: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        order = [*names[first:], *names[:first]]
        for name in order if number % 2 == 0 else reversed(order):
            start, run = CONTENDERS[group][name]
            stage.settle()
            with started(stage, start) as given:
                taken[name].append(run(stage, given))
    return taken
