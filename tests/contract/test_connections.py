"""Connections to Redis: as many as there are threads, and no blame for Redis beyond that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from funcsvc.config import load_settings
from funcsvc.model.errors import ConnectionsInUse
from funcsvc.web import create_app
from funcsvc.web.readiness import HEALTH_THREADS
from tests.contract.stores import make_client
from tests.fakes import FakeEngine

KEY = "AK:SK"


@pytest.fixture
def app(redis_url, redis_prefix):
    """The application over the real Redis, with access keys."""
    settings = {
        "FUNCSVC_REDIS_URL": redis_url,
        "FUNCSVC_REDIS_PREFIX": redis_prefix,
        "FUNCSVC_THREADS": "5",
        "FUNCSVC_MAX_PULLS": "1",
        "FUNCSVC_ACCESS_KEYS": KEY,
        "FUNCSVC_FAILED_ATTEMPTS": "1000/minute",
    }
    return create_app(load_settings(settings), engine=FakeEngine())


@pytest.mark.parametrize(("path", "status"), [("/status/none/none", 404), ("/funcs", 401)])
def test_every_thread_and_every_thread_for_health_checks_has_a_connection(app, path, status):
    """Otherwise the last ones fail for the rest of the process's life."""
    count = 5 + HEALTH_THREADS
    together = threading.Barrier(count, timeout=30)

    def ask(_: int) -> int:
        together.wait()
        return app.test_client().get(path, auth=("AK", "wrong")).status_code

    with ThreadPoolExecutor(count) as threads:
        assert [*threads.map(ask, range(count))] == [status] * count


def test_pool_without_a_free_connection_is_not_blamed_on_redis(redis_url):
    client = make_client(redis_url, seconds=0.2, max_threads=1)
    client.time_ms()  # this thread keeps the connection
    with ThreadPoolExecutor(1) as other, pytest.raises(ConnectionsInUse) as caught:
        other.submit(client.time_ms).result()
    assert caught.value.message == "All connections of this process to Redis are in use."
    client.close()
