"""Stores, and a test image of this run; what is made from it is removed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator

import docker
import pytest

from funcsvc.store.funcs import RedisFuncStore
from tests.contract.calls import FakeService, RealService
from tests.contract.redis_proxy import RedisProxy
from tests.contract.stores import PATIENCE_SECONDS, make_store, new_func
from tests.contract.whole_state import WholeState, check_whole_state, read_whole_state
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
def real_store(redis_url, redis_prefix) -> RedisFuncStore:
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


@pytest.fixture
def whole_state(redis_client, redis_prefix) -> Callable[[], WholeState]:
    """Return every key of this test, after a look at whether they fit together."""

    def read() -> WholeState:
        state = read_whole_state(redis_client, redis_prefix)
        check_whole_state(state)
        return state

    return read


@pytest.fixture
def make_real(redis_url, redis_prefix, whole_state) -> Iterator[Callable[..., RealService]]:
    """Make services over this test's keys; what they left is looked at in the end."""
    made: list[RealService] = []

    def make(url: str = redis_url, **options) -> RealService:
        made.append(RealService(url, redis_prefix, **options))
        return made[-1]

    yield make
    for service in made:
        service.close()
    whole_state()


@pytest.fixture
def real(make_real) -> RealService:
    """The stores of calls over the real Redis."""
    return make_real()


@pytest.fixture(params=["fake", "real"])
def make_service(request) -> Callable[..., FakeService | RealService]:
    """Make a service over the fakes and one over the real Redis; options are common to both."""
    return FakeService if request.param == "fake" else request.getfixturevalue("make_real")


@pytest.fixture
def service(make_service) -> FakeService | RealService:
    """The fakes, and the stores over the real Redis."""
    return make_service()


def _tar_of_one_file() -> bytes:
    content = b"x"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("x")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def func(real):
    """A func named hello."""
    return real.add_func()
