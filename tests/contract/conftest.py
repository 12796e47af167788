"""Stores and test images for this run. Everything is removed afterwards."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator

import docker
import pytest

from funcsvc.store.funcs import RedisFuncStore
from tests.contract.calls import FakeService, RealService
from tests.contract.redis_proxy import RedisProxy
from tests.contract.stores import STORE_SECONDS, make_store, new_func
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
    """Import a tiny image with changes such as `CMD ["/x"]` and return its reference."""
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
    """The reference of an image that has a command."""
    return make_image("runs", 'CMD ["/x"]')


@pytest.fixture(scope="session")
def image_without_command(make_image) -> str:
    """The reference of an image that has no command."""
    return make_image("mute")


@pytest.fixture
def real_store(redis_url, redis_prefix) -> RedisFuncStore:
    """A store over the real Redis, with keys for this test only."""
    return make_store(redis_url, redis_prefix)


@pytest.fixture(params=["fake", "real"])
def store(request):
    """Each of the two stores in turn; the real one has keys for this test only."""
    if request.param == "fake":
        return FakeFuncStore()
    return request.getfixturevalue("real_store")


@pytest.fixture
def proxy(redis_url) -> Iterator[RedisProxy]:
    """A proxy to the real Redis, which a test can break."""
    proxy = RedisProxy(redis_url)
    yield proxy
    proxy.close()


@pytest.fixture
def fragile_store(proxy, redis_prefix):
    """A store behind the proxy. It is connected, and Redis has its script."""
    store = make_store(proxy.url, redis_prefix, STORE_SECONDS)
    store.create_func(*new_func("warm-up"))
    return store


@pytest.fixture
def whole_state(redis_client, redis_prefix) -> Callable[[], WholeState]:
    """Return a function that reads every key of this test and checks their consistency."""

    def read() -> WholeState:
        state = read_whole_state(redis_client, redis_prefix)
        check_whole_state(state)
        return state

    return read


@pytest.fixture
def make_real(redis_url, redis_prefix, whole_state) -> Iterator[Callable[..., RealService]]:
    """Make services over this test's keys. The keys are checked at the end."""
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
    """A service over the real Redis."""
    return make_real()


@pytest.fixture(params=["fake", "real"])
def make_service(request) -> Callable[..., FakeService | RealService]:
    """Make a service over the fakes or the real Redis, with the same options."""
    return FakeService if request.param == "fake" else request.getfixturevalue("make_real")


@pytest.fixture
def service(make_service) -> FakeService | RealService:
    """The fakes, and then the stores over the real Redis."""
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
