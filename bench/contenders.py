"""What is measured against what: each contender, how it is started, how one run of it is made.

`CONTENDERS` is the table; `report.GOALS` says how each must fare against which other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Any

from bench import BenchFailed, docker_peers
from bench.docker_peers import DockerCommand
from bench.engine import CREATED, IMAGE, RUNNING, Engine
from bench.insides import container_of
from bench.load import CONNECTIONS, PAYLOAD, CallClient, Run, call_at_once, for_seconds, run_wrk
from bench.servers import serve
from bench.stage import Stage, Worker, create
from dev.servers import LOOPBACK, Service
from funcsvc.model import MAX_PAYLOAD_BYTES

PAGE, MANY = 100, 100_000
"""How many funcs are a page; how many funcs, and pending calls, count as many."""

BURST_CALLS = 10

_KEY, _SECRET = "bench", "benchsecret"  # of a service on loopback, for as long as it runs
_UNDERWAY_SECONDS = 0.5
"""What wrk left under way is stored too by then."""

ANY = os.urandom(MAX_PAYLOAD_BYTES)
TEXT = (b"x" * 63 + b"\n") * (MAX_PAYLOAD_BYTES // 64)
"""In lines as long as those of many texts: the engine logs each of them."""


# How they are started: most are there all the time


def web(stage: Stage) -> AbstractContextManager[Service]:
    return nullcontext(stage.service)


def web_with_keys(stage: Stage) -> AbstractContextManager[Service]:
    return serve("wsgi:app", {**stage.environment, "FUNCSVC_ACCESS_KEYS": f"{_KEY}:{_SECRET}"})


def bare(stage: Stage) -> AbstractContextManager[Service]:
    return nullcontext(stage.bare)


def engine(stage: Stage) -> AbstractContextManager[Engine]:
    return nullcontext(stage.engine)


def docker_command(stage: Stage) -> AbstractContextManager[DockerCommand]:
    return nullcontext(stage.docker)


def shared_container(stage: Stage) -> AbstractContextManager[str]:
    return stage.engine.shared_container()


def cold_worker(stage: Stage) -> AbstractContextManager[Worker]:
    return stage.run_worker(waiting=False)


def warm_worker(stage: Stage) -> AbstractContextManager[Worker]:
    return stage.run_worker(waiting=True)


# How one run is made


def create_funcs(stage: Stage, service: Service, stored: int = 0) -> Run:
    """Create funcs of new names, which are counted and removed."""
    if stored:
        stage.store_funcs(stored)
    stage.settle()
    what = f"create run-{token_hex(4)} {IMAGE}"
    run = run_wrk(f"{service.url}/funcs/create", stage.pick(10, 2), what)
    time.sleep(_UNDERWAY_SECONDS)
    index = 0 if service is stage.bare else 1
    _check_stored(run, stage.data.clear() - index - stored)
    return run


def create_containers(stage: Stage, engine: Engine) -> Run:
    stage.settle()
    return engine.create_containers(stage.pick(10, 2))


def get_func(stage: Stage, service: Service, *, connections: int = CONNECTIONS) -> Run:
    """Get the only func, with a signature where there are keys."""
    stage.store_funcs()
    create(stage.bare, "helloworld")
    stage.settle()
    headers = [] if service in (stage.service, stage.bare) else _signed(service.port)
    options = [f"--connections={connections}", *(f"--header={header}" for header in headers)]
    return run_wrk(f"{service.url}/funcs/helloworld", stage.pick(5, 2), options=options)


def list_funcs(stage: Stage, service: Service, *, stored: int) -> Run:
    """Get the first page of all."""
    stage.store_funcs(stored)
    stage.settle()
    return run_wrk(f"{service.url}/funcs?limit={PAGE}", stage.pick(5, 2))


def accept_calls(stage: Stage, service: Service, *, pending: int = 0) -> Run:
    """Call, with no worker to take the calls, and this many pending before, or a few more."""
    path, seconds = stage.create_cat(), 1.0
    before = 0
    while before < pending:
        filled = _enqueue(service, path, seconds)
        before = _count_pending(stage, path)
        seconds = max(1, (pending - before) / filled.rate)
    stage.settle()
    run = _enqueue(service, path, stage.pick(6, 2))
    if service is stage.service:
        _check_stored(run, _count_pending(stage, path) - before)
    return run


def _enqueue(service: Service, path: str, seconds: float) -> Run:
    return run_wrk(f"{service.url}/call/{path}", round(seconds), f"post {len(PAYLOAD)}")


def _count_pending(stage: Stage, path: str) -> int:
    time.sleep(_UNDERWAY_SECONDS)
    with closing(CallClient(stage.service.port, path)) as client:
        return client.count_pending()


def _check_stored(run: Run, stored: int) -> None:
    if not run.requests <= stored <= run.requests + CONNECTIONS:
        raise BenchFailed(f"{run.requests:,} requests were answered, and {stored:,} stored.")


def call(stage: Stage, worker: Worker, *, payload: bytes = PAYLOAD) -> float:
    stage.settle()
    return worker.call(payload)


def docker_run(stage: Stage, docker: DockerCommand) -> float:
    stage.settle()
    return docker.run()


def docker_exec(stage: Stage, container: str) -> float:
    stage.settle()
    return stage.docker.exec(container)


def call_in_a_burst(stage: Stage, worker: Worker) -> list[float]:
    """Call many times at once, over connections that are there."""
    together = threading.Barrier(BURST_CALLS)

    def call_together(client: CallClient) -> float:
        together.wait(10)
        return client.call_sync()

    with ExitStack() as stack:
        clients = [worker.make_client(stack) for _ in range(BURST_CALLS)]
        for client in clients:
            client.count_pending()  # connected
        pool = stack.enter_context(ThreadPoolExecutor(BURST_CALLS))
        return list(pool.map(call_together, clients))


def call_for_seconds(stage: Stage, worker: Worker) -> float:
    """Call, but don't count the calls that were served by what waited before."""
    quiet = partial(stage.engine.wait_until_quiet, worker.service)
    call_at_once(worker.make_client, for_seconds(2))
    quiet([RUNNING] if worker.has_waiting else [])
    waited = len(stage.engine.list_running(worker.service))
    start = time.monotonic()
    calls = call_at_once(worker.make_client, for_seconds(stage.pick(15, 5)))
    quiet([RUNNING, CREATED] if worker.has_waiting else [])
    seconds = time.monotonic() - start
    used_up = max(0, waited - len(stage.engine.list_running(worker.service)))
    return (calls - used_up) / seconds


def drive_docker_py(stage: Stage, engine: Engine) -> float:
    return docker_peers.drive_docker_py(engine, cat_container(stage), stage.pick(15, 5))


def cat_container(stage: Stage) -> dict[str, Any]:
    stage.create_cat()
    return container_of(stage.data.get_definition("cat"), stage.engine.labels)


def _signed(port: int) -> list[str]:
    """Return the headers of a signed GET of a func; good for five minutes."""
    date, body = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256().hexdigest()
    signed = "host;x-hyper-content-sha256;x-hyper-date"
    headers = f"host:{LOOPBACK}:{port}\nx-hyper-content-sha256:{body}\nx-hyper-date:{date}\n"
    canonical = f"GET\nfuncs/helloworld\n\n{headers}\n{signed}\n{body}"
    scope = f"{date[:8]}/bench/hyper/hyper_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"HYPER{_SECRET}".encode()
    for part in (*scope.split("/"), f"HYPER-HMAC-SHA256\n{date}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"Credential={_KEY}/{scope}, SignedHeaders={signed}, Signature={key.hex()}"
    return [
        f"X-Hyper-Date: {date}",
        f"X-Hyper-Content-Sha256: {body}",
        f"Authorization: HYPER-HMAC-SHA256 {credential}",
    ]


@dataclass(frozen=True)
class Contender:
    """One of those that are measured in turns. `start` gives what `run` is made with.

    A run gives a Run of load, the milliseconds of one call or of several, or calls a second.
    """

    name: str
    start: Callable[[Stage], AbstractContextManager[Any]]
    run: Callable[[Stage, Any], Any]


CONTENDERS: Mapping[str, Sequence[Contender]] = {
    "creating": (
        Contender("funcsvc", web, create_funcs),
        Contender("bare route", bare, create_funcs),
        Contender("engine", engine, create_containers),
        Contender("funcsvc, 100,000 stored", web, partial(create_funcs, stored=MANY)),
    ),
    "reading": (
        Contender("inspect", web, get_func),
        Contender("bare GET of a key", bare, get_func),
        Contender("page of 100 from 100", web, partial(list_funcs, stored=PAGE)),
        Contender("page of 100 from 100,000", web, partial(list_funcs, stored=MANY)),
        Contender("inspect, open, one client", web, partial(get_func, connections=1)),
        Contender("inspect, signed, one client", web_with_keys, partial(get_func, connections=1)),
    ),
    "enqueue": (
        Contender("empty queue", web, accept_calls),
        Contender("bare route", bare, accept_calls),
        Contender("100,000 pending", web, partial(accept_calls, pending=MANY)),
    ),
    "cold": (
        Contender("call, none waiting", cold_worker, call),
        Contender("docker run", docker_command, docker_run),
    ),
    "waiting": (
        Contender("call, one waiting", warm_worker, call),
        Contender("docker run", docker_command, docker_run),
        Contender("docker exec", shared_container, docker_exec),
    ),
    "waiting, 1 MB": (
        Contender("call, one waiting, 1 MB of any bytes", warm_worker, partial(call, payload=ANY)),
        Contender("call, one waiting, 1 MB of text", warm_worker, partial(call, payload=TEXT)),
    ),
    "waiting, bursts": (Contender("burst of 10", warm_worker, call_in_a_burst),),
    "sustained": (
        Contender("calls, none waiting", cold_worker, call_for_seconds),
        Contender("calls, instances waiting", warm_worker, call_for_seconds),
        Contender("docker-py", engine, drive_docker_py),
    ),
}
Turns = Mapping[str, Callable[[], Any]]
"""What makes a run of each contender, by name."""


@contextmanager
def started(stage: Stage, *groups: str) -> Iterator[list[Turns]]:
    """Have the contenders of some groups started, all at once."""
    with ExitStack() as stack:
        starts = dict.fromkeys(one.start for group in groups for one in CONTENDERS[group])
        given = {start: stack.enter_context(start(stage)) for start in starts}
        yield [
            {one.name: partial(one.run, stage, given[one.start]) for one in CONTENDERS[group]}
            for group in groups
        ]


def started_for_each_run(stage: Stage, group: str) -> Turns:
    """Return what starts a contender, makes a run and ends it, one at a time."""

    def turn(contender: Contender) -> Any:
        with contender.start(stage) as given:
            return contender.run(stage, given)

    return {one.name: partial(turn, one) for one in CONTENDERS[group]}


def take_turns(turns: Turns, rounds: int) -> dict[str, list[Any]]:
    """Make a run of each in every round; return what they gave, in order.

    Each round begins with the next one, and every other goes backwards, so that none has the same
    before it each time.
    """
    taken: dict[str, list[Any]] = {name: [] for name in turns}
    names = [*turns]
    for number in range(rounds):
        first = number % len(names)
        order = [*names[first:], *names[:first]]
        for name in order if number % 2 == 0 else reversed(order):
            taken[name].append(turns[name]())
    return taken
