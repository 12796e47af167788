"""Health checks while what the service needs stands still, or while its threads are all held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev import servers

THREADS = 8


@pytest.fixture
def web(module_redis: servers.RedisServer) -> Iterator[servers.Service]:
    """A service whose engine accepts connections and never answers."""
    with (
        servers.folder() as place,
        servers.silent_listener(place) as engine,
        servers.service(
            redis_url=module_redis.url,
            docker_host=f"unix://{engine}",
            threads=THREADS,
            engine_timeout_seconds=3,
        ) as server,
    ):
        yield server


def test_many_readiness_checks_while_the_engine_stands_still_hold_no_thread(web):
    with ThreadPoolExecutor(100) as clients:
        start = time.monotonic()
        checks = [clients.submit(web.request, "GET", "/readyz") for _ in range(100)]
        servers.wait_until(lambda: sum(it.done() for it in checks) >= 90, "most are answered")
        assert time.monotonic() - start < 3, "they didn't wait for the look"
        assert web.request("GET", "/healthz").status == 200
        assert web.request("GET", "/_ping").status == 200
        assert not all(it.done() for it in checks), "one looks"
        answers = [it.result(30) for it in checks]
    assert {answer.status for answer in answers} == {503}
    assert max(answer.seconds for answer in answers) < 9


def test_health_is_answered_while_every_thread_waits_for_the_engine(web):
    with ThreadPoolExecutor(2 * THREADS) as clients:
        creates = [clients.submit(web.create, f"f{n}", "ubuntu") for n in range(2 * THREADS)]
        servers.wait_until(lambda: threads_of(web) > THREADS, "every thread has started")
        assert web.request("GET", "/healthz").status == 200
        assert not any(it.done() for it in creates)
        assert {it.result(30).status for it in creates} == {500}


def threads_of(web: servers.Service) -> int:
    """Return how many threads the worker process has."""
    [pid] = web.worker_pids()
    with open(f"/proc/{pid}/status") as status:
        [line] = [line for line in status if line.startswith("Threads:")]
    return int(line.split()[1])
