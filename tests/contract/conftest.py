"""Stores, and a test image of this run; what is made from it is removed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import docker
import pytest

from funcsvc.store import FuncStore
from tests.contract.redis_proxy import RedisProxy
from tests.contract.stores import PATIENCE_SECONDS, make_store, new_func
from tests.fakes import FakeFuncStore

RUN_LABEL = "funcsvc.test.run"


@pytest.fixture(scope="session")
def docker_client(docker_host: str) -> Iterator[docker.APIClient]:
    """A plain client of the real engine, to look behind the service's back."""
    with docker.APIClient(base_url=docker_host, version="1.41", timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def make_image(docker_client: docker.APIClient, run_id: str) -> Iterator:
    """Import a tiny image with changes such as `CMD ["/x"]`; return its reference."""
    made: set[str] = set()

    def make(tag: str, *changes: str) -> str:
        reference = f"funcsvc-test-{run_id}:{tag}"
        docker_client.import_image_from_data(
            _tar_of_one_file(),
            repository=f"funcsvc-test-{run_id}",
            tag=tag,
            changes=[f"LABEL {RUN_LABEL}={run_id}", *changes],
        )
        made.add(reference)
        return reference

    yield make
    for reference in made:
        docker_client.remove_image(reference, force=True)


@pytest.fixture(scope="session")
def image(make_image) -> str:
    """The reference of an image that says what to run."""
    return make_image("runs", 'CMD ["/x"]')


@pytest.fixture(scope="session")
def image_without_command(make_image) -> str:
    """The reference of an image that doesn't say what to run."""
    return make_image("mute")


@pytest.fixture
def real_store(redis_url, redis_prefix) -> FuncStore:
    """A store over the real Redis; its keys are of this test alone."""
    return make_store(redis_url, redis_prefix)


@pytest.fixture(params=["fake", "real"])
def store(request):
    """Each of the two stores; the real one's keys are of this test alone."""
    if request.param == "fake":
        return FakeFuncStore()
    return request.getfixturevalue("real_store")


@pytest.fixture
def proxy(redis_url) -> Iterator[RedisProxy]:
    """A way to the real Redis that a test can break."""
    proxy = RedisProxy(redis_url)
    yield proxy
    proxy.close()


@pytest.fixture
def fragile_store(proxy, redis_prefix):
    """A store behind the proxy that has connected, and whose script Redis knows."""
    store = make_store(proxy.url, redis_prefix, PATIENCE_SECONDS)
    store.create_func(*new_func("warm-up"))
    return store


def _tar_of_one_file() -> bytes:
    content = b"x"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("x")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
