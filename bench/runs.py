"""How the contenders are started, and how one run of each is made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex

from bench import BenchFailed, docker_peers
from bench.docker_peers import DockerCommand
from bench.engine import CREATED, RUNNING, Engine
from bench.insides import container_of_a_call
from bench.load import (
    CONNECTIONS,
    PAYLOAD,
    CallAddress,
    CallClient,
    Run,
    call_at_once,
    for_seconds,
    run_wrk,
)
from bench.servers import Service, serve
from bench.stage import FILL, HELLO, PAGE, PENDING, Stage, Worker, create
from funcsvc.model import MAX_PAYLOAD_BYTES

BURST_CALLS = 10

_KEY, _SECRET = "bench", "benchsecret"  # of a service on loopback, for as long as it runs
_WARM_UP_SECONDS = 2
_UNDERWAY_SECONDS = 0.5
"""What wrk left under way is stored too by then."""

_ANY_BYTES = os.urandom(MAX_PAYLOAD_BYTES)
_TEXT = (b"x" * 63 + b"\n") * (MAX_PAYLOAD_BYTES // 64)
"""In lines as long as those of many texts: the engine logs each of them."""

# How they are started


def service(stage: Stage) -> AbstractContextManager[Service]:
    """funcsvc under gunicorn, which is there all the time."""
    return nullcontext(stage.service)


def bare(stage: Stage) -> AbstractContextManager[Service]:
    """The bare Flask route under gunicorn, which is there all the time."""
    return nullcontext(stage.bare)


def service_with_keys(stage: Stage) -> AbstractContextManager[Service]:
    """Another funcsvc under gunicorn, with an access key."""
    return serve("wsgi:app", {**stage.environment, "FUNCSVC_ACCESS_KEYS": f"{_KEY}:{_SECRET}"})


def engine(stage: Stage) -> AbstractContextManager[Engine]:
    return nullcontext(stage.engine)


def docker_command(stage: Stage) -> AbstractContextManager[DockerCommand]:
    return nullcontext(stage.docker)


def shared_container(stage: Stage) -> AbstractContextManager[str]:
    return stage.engine.shared_container(stage.image)


def worker_without_waiting(stage: Stage) -> AbstractContextManager[Worker]:
    return stage.run_worker(waiting=False)


def worker_with_waiting(stage: Stage) -> AbstractContextManager[Worker]:
    return stage.run_worker(waiting=True)


# Creating and reading


def create_funcs(stage: Stage, service: Service, stored: int = 0) -> Run:
    """Create funcs of new names; they are counted, and all is cleared."""
    stage.settle()
    seconds, names = stage.plan.create_seconds, f"run-{token_hex(4)}"
    run = run_wrk(f"{service.url}/funcs/create", seconds, "create", names, stage.image)
    time.sleep(_UNDERWAY_SECONDS)
    index = 0 if service is stage.bare else 1
    _check_stored(run, stage.data.clear() - index - stored)
    return run


def create_funcs_among_many(stage: Stage, service: Service) -> Run:
    stage.store_funcs(FILL)
    return create_funcs(stage, service, FILL)


def create_containers(stage: Stage, engine: Engine) -> Run:
    stage.settle()
    return engine.create_containers(stage.image, stage.plan.create_seconds)


def get_func(
    stage: Stage, service: Service, connections: int = CONNECTIONS, headers: Sequence[str] = ()
) -> Run:
    """Get the README's helloworld, the only func."""
    stage.take_sample()
    create(stage.bare, "helloworld", stage.image, HELLO)
    stage.settle()
    url = f"{service.url}/funcs/helloworld"
    return run_wrk(url, stage.plan.read_seconds, connections=connections, headers=headers)


def get_func_by_one_client(stage: Stage, service: Service) -> Run:
    return get_func(stage, service, connections=1)


def get_func_signed(stage: Stage, service: Service) -> Run:
    headers = _signed_headers(f"127.0.0.1:{service.port}", "funcs/helloworld")
    return get_func(stage, service, 1, headers)


def list_few_funcs(stage: Stage, service: Service, funcs: int = PAGE) -> Run:
    """Get the first page of all."""
    stage.store_funcs(funcs)
    stage.settle()
    return run_wrk(f"{service.url}/funcs?limit={PAGE}", stage.plan.read_seconds)


def list_many_funcs(stage: Stage, service: Service) -> Run:
    return list_few_funcs(stage, service, FILL)


def _signed_headers(host: str, path: str) -> list[str]:
    """Return the headers of a signed GET; good for five minutes."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    body_hash = hashlib.sha256(b"").hexdigest()
    names = "host;x-hyper-content-sha256;x-hyper-date"
    headers = f"host:{host}\nx-hyper-content-sha256:{body_hash}\nx-hyper-date:{date}\n"
    canonical = f"GET\n{path}\n\n{headers}\n{names}\n{body_hash}"
    scope = f"{date[:8]}/bench/hyper/hyper_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"HYPER{_SECRET}".encode()
    for part in (*scope.split("/"), f"HYPER-HMAC-SHA256\n{date}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = f"Credential={_KEY}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return [
        f"X-Hyper-Date: {date}",
        f"X-Hyper-Content-Sha256: {body_hash}",
        f"Authorization: HYPER-HMAC-SHA256 {signed}",
    ]


# Accepting calls


def accept_calls(stage: Stage, service: Service, pending: int = 0) -> Run:
    """Call `cat`, with no worker to take the calls, and this many pending before."""
    address = replace(stage.create_cat(), port=service.port)
    before = _enqueue(stage, address, pending)
    stage.settle()
    run = run_wrk(address.url, stage.plan.accept_seconds, "post", str(len(PAYLOAD)))
    if service is stage.service:
        _check_stored(run, _count_pending(address) - before)
    return run


def accept_calls_behind_many(stage: Stage, service: Service) -> Run:
    return accept_calls(stage, service, PENDING)


def _enqueue(stage: Stage, address: CallAddress, calls: int) -> int:
    """Call until this many are pending, or a few more; return how many there are."""
    rate, pending = 0.0, 0
    while pending < calls:
        seconds = max(1, (calls - pending) / rate) if rate else 1
        rate = run_wrk(address.url, round(seconds), "post", str(len(PAYLOAD))).rate
        pending = _count_pending(address)
    return pending


def _count_pending(address: CallAddress) -> int:
    time.sleep(_UNDERWAY_SECONDS)
    with closing(CallClient(address)) as client:
        return client.count_pending()


def _check_stored(run: Run, stored: int) -> None:
    if not run.requests <= stored <= run.requests + CONNECTIONS:
        raise BenchFailed(f"{run.requests:,} requests were answered, and {stored:,} stored.")


# Single calls


def call(stage: Stage, worker: Worker) -> float:
    stage.settle()
    return worker.call()


def call_with_any_bytes(stage: Stage, worker: Worker) -> float:
    stage.settle()
    return worker.call(_ANY_BYTES)


def call_with_text(stage: Stage, worker: Worker) -> float:
    stage.settle()
    return worker.call(_TEXT)


def docker_run(stage: Stage, docker: DockerCommand) -> float:
    stage.settle()
    return docker.run()


def docker_exec(stage: Stage, container: str) -> float:
    stage.settle()
    return stage.docker.exec(container)


def call_in_a_burst(stage: Stage, worker: Worker) -> list[float]:
    """Call many times at once, over connections that are there; return the milliseconds."""
    together = threading.Barrier(BURST_CALLS)

    def call_together(client: CallClient) -> float:
        together.wait(10)
        return client.call_sync()

    with ExitStack() as stack:
        clients = [CallClient(worker.address) for _ in range(BURST_CALLS)]
        for client in clients:
            stack.enter_context(closing(client)).count_pending()  # connected
        pool = stack.enter_context(ThreadPoolExecutor(BURST_CALLS))
        return list(pool.map(call_together, clients))


# Calls by the second


def call_for_seconds(stage: Stage, worker: Worker) -> float:
    """Return how many calls a second there were, but for those that what waited before served."""
    engine, service = stage.engine, worker.service
    call_at_once(worker.address, for_seconds(_WARM_UP_SECONDS))
    engine.wait_until_quiet(service, [RUNNING] if worker.has_waiting else [])
    waited = len(engine.list_running(service))
    start = time.monotonic()
    calls = call_at_once(worker.address, for_seconds(stage.plan.phase_seconds))
    engine.wait_until_quiet(service, [RUNNING, CREATED] if worker.has_waiting else [])
    seconds = time.monotonic() - start
    used_up = max(0, waited - len(engine.list_running(service)))
    return (calls - used_up) / seconds


def drive_docker_py(stage: Stage, engine: Engine) -> float:
    options = container_of_a_call(stage.image, engine.labels)
    return docker_peers.drive_docker_py(engine, options, stage.plan.phase_seconds)
