"""What every test may use: the real Redis and the real engine, and names of this run alone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import docker
import pytest
import redis
import requests

REQUIRED = os.environ.pop("FUNCSVC_REQUIRE_SERVICES", "") == "1"
REDIS_URL = os.environ.get("FUNCSVC_REDIS_URL", "redis://127.0.0.1:6379/0")
DOCKER_HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def missing_service(reason: str) -> None:
    """Skip on a laptop; fail where services are required, as in CI."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def run_id() -> str:
    """A name that no other run has; keys, labels, images and containers carry it."""
    return uuid.uuid4().hex[:12]


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a real Redis that answers."""
    try:
        with redis.Redis.from_url(REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        missing_service(f"no Redis answers: {type(error).__name__}")
    return REDIS_URL


@pytest.fixture(scope="session")
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A plain client of the real Redis, to look behind the service's back."""
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


@pytest.fixture
def redis_prefix(redis_client: redis.Redis, run_id: str) -> Iterator[str]:
    """A key prefix of this test alone; its keys are removed afterwards."""
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
        missing_service(f"no Docker Engine answers: {type(error).__name__}")
    return DOCKER_HOST
