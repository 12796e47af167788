"""POST /images/create: which image reference a query asks for."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import pytest

from funcsvc.model import ImageReference
from tests.api.conftest import make_client
from tests.fakes import FakeEngine, FakeFuncStore

DIGEST = f"sha256:{'0' * 64}"


class PullingEngine(FakeEngine):
    """An engine that records what it was asked to pull."""

    def pull_progress(
        self, reference: ImageReference, credentials: Mapping[str, str] | None = None
    ) -> Generator[bytes]:
        yield reference.canonical.encode()


@pytest.mark.parametrize(
    ("query", "pulled"),
    [
        ("fromImage=ubuntu", "docker.io/library/ubuntu:latest"),
        ("fromImage=ubuntu:22.04", "docker.io/library/ubuntu:22.04"),
        ("fromImage=ubuntu&tag=", "docker.io/library/ubuntu:latest"),
        ("fromImage=ubuntu&tag=22.04", "docker.io/library/ubuntu:22.04"),
        ("fromImage=ubuntu:20.04&tag=22.04", "docker.io/library/ubuntu:22.04"),
        (f"fromImage=ubuntu@{DIGEST}&tag=22.04", "docker.io/library/ubuntu:22.04"),
        (f"fromImage=ubuntu&tag={DIGEST}", f"docker.io/library/ubuntu@{DIGEST}"),
        (f"fromImage=a.b:5000/c:d&tag={DIGEST}", f"a.b:5000/c@{DIGEST}"),
    ],
)
def test_tag_of_the_query_takes_the_place_of_the_images_own(query: str, pulled: str) -> None:
    answer = make_client(FakeFuncStore(), PullingEngine()).post(f"/images/create?{query}")
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, pulled)


@pytest.mark.parametrize(
    ("query", "option"),
    [("fromImage=", "fromImage"), ("tag=a", "fromImage"), ("fromImage=A", "fromImage"),
     ("fromImage=a&tag=-", "tag"), ("fromImage=a&tag=sha256:0", "tag")],
)  # fmt: skip
def test_wrong_part_of_the_query_is_named(query: str, option: str) -> None:
    answer = make_client(FakeFuncStore(), PullingEngine()).post(f"/images/create?{query}")
    body = answer.get_json()
    assert (answer.status_code, [*body["errors"]]) == (400, [option])
    assert body["message"].startswith(f"{option} is ")
