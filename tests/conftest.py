"""Fixtures for every test: the real Redis, the real engine, and names unique to this run."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import docker
import hypothesis
import pytest
import redis
import requests

from tests.required import missing

REDIS_URL = os.environ.get("FUNCSVC_REDIS_URL", "redis://127.0.0.1:6379/0")
FOLDERS = ("chaos", "e2e", "contract", "api", "unit")
LONGEST = ("schemathesis", "faults", "lifecycle", "functions", "access", "manage")
"""The order of the files, long ones first: at the end no process waits long for another."""

DOCKER_HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")

# Every run has the same examples; --hypothesis-profile=explore looks for new ones. How long an
# example takes is the machine's affair.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that wait for servers first, whose waiting the others then fill."""
    files = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(
        key=lambda item: (
            FOLDERS.index(item.path.parent.name),
            files.get(item.path.name, len(files)),
        )
    )


@pytest.fixture(scope="session")
def run_id() -> str:
    """A unique name for this run, part of its keys, labels, images and containers."""
    return uuid.uuid4().hex[:12]


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a real Redis that answers."""
    try:
        with redis.Redis.from_url(REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        missing(f"no Redis answers: {type(error).__name__}")
    return REDIS_URL


@pytest.fixture(scope="session")
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of the real Redis, to look behind the service's back."""
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


@pytest.fixture
def redis_prefix(redis_client: redis.Redis, run_id: str) -> Iterator[str]:
    """A key prefix for one test. Its keys are removed afterwards."""
    prefix = f"funcsvc-test-{run_id}-{uuid.uuid4().hex[:8]}:"
    yield prefix
    for key in redis_client.scan_iter(f"{prefix}*", count=1000):
        redis_client.delete(key)


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The address of a real engine that answers."""
    try:
        with docker.APIClient(base_url=DOCKER_HOST, version="1.41", timeout=5) as client:
            client.ping()
    except (docker.errors.DockerException, requests.RequestException) as error:
        missing(f"no Docker Engine answers: {type(error).__name__}")
    return DOCKER_HOST
