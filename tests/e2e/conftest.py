"""Fixtures for tests of the whole service. When a test fails, the servers' logs are shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dev import images, servers
from tests.e2e import calling
from tests.e2e.functions import Functions, functions, wait_until_no_container
from tests.e2e.raw_http import RawClient


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show what the servers printed when a test has failed."""
    if call.when == "setup":
        servers.forget_ended()
    report = yield
    if report.failed:
        report.sections += [(f"log of {name}", tail) for name, tail in servers.log_tails()]
    return report


@pytest.fixture(scope="session")
def image(docker_host: str, run_id: str) -> Iterator[str]:
    """An image on the shared engine."""
    with images.imported(docker_host, f"funcsvc-test-{run_id}:latest") as name:
        yield name


@pytest.fixture
def own_redis() -> Iterator[servers.RedisServer]:
    """A Redis for one test."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture
def engine_host(docker_host: str) -> str:
    """The engine that `start` gives to services: the shared one, unless a module has its own."""
    return docker_host


@pytest.fixture
def start(own_redis: servers.RedisServer, engine_host: str) -> Iterator[object]:
    """Start services over the test's own Redis. Keyword arguments are settings."""
    with contextlib.ExitStack() as stack:

        def start_service(
            environment: Mapping[str, str] | None = None, **settings: object
        ) -> servers.Service:
            given = {"redis_url": own_redis.url, "docker_host": engine_host, **settings}
            return stack.enter_context(servers.service(environment, **given))

        yield start_service


@pytest.fixture(scope="module")
def registry() -> Iterator[servers.RegistryServer]:
    """A registry from which anyone can pull."""
    with servers.registry_server() as server:
        yield server


@pytest.fixture(scope="module")
def calls(module_redis: servers.RedisServer) -> Iterator[calling.Calls]:
    """The calls in the module's Redis, for a test that plays the worker."""
    with calling.calls_of(module_redis.url) as found:
        yield found


@pytest.fixture
def address(calls: calling.Calls, request: pytest.FixtureRequest) -> str:
    """`<name>/<uuid>` of a func for one test."""
    name = f"f{abs(hash(request.node.name))}"
    return f"{name}/{calls.create_func(name)}"


@pytest.fixture(scope="module")
def module_redis() -> Iterator[servers.RedisServer]:
    """A Redis for one module, for services that several tests share."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def module_engine() -> Iterator[servers.EngineServer]:
    """A Docker Engine for one module."""
    with servers.engine_server() as server:
        yield server


@pytest.fixture
def raw(web: servers.Service) -> Iterator[RawClient]:
    """A client that writes its requests itself, of the module's own service `web`."""
    with RawClient(web.port) as client:
        yield client


@pytest.fixture(scope="module")
def run(
    module_redis: servers.RedisServer, module_engine: servers.EngineServer
) -> Iterator[Functions]:
    """A service whose functions run on an engine for this module."""
    with functions(module_redis, module_engine) as made:
        yield made
    wait_until_no_container(module_engine)
