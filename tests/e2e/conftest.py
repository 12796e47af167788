"""What the tests of the whole service share, and the servers' logs where a test has failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import servers
from tests.e2e import images


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show what the servers printed where a test has failed."""
    if call.when == "setup":
        servers.forget_ended()
    report = yield
    if report.failed:
        report.sections += [(f"log of {name}", tail) for name, tail in servers.log_tails()]
    return report


@pytest.fixture(scope="session")
def image(docker_host: str, run_id: str) -> Iterator[str]:
    """An image that the shared engine has."""
    with images.imported(docker_host, f"funcsvc-test-{run_id}:latest") as name:
        yield name


@pytest.fixture
def own_redis() -> Iterator[servers.RedisServer]:
    """A Redis of this test alone."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def module_redis() -> Iterator[servers.RedisServer]:
    """A Redis of this module alone, for services that several tests share."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def module_engine() -> Iterator[servers.EngineServer]:
    """A Docker Engine of this module alone."""
    with servers.engine_server() as server:
        yield server
