"""One suite for the fake and the real announcements of removals."""

from __future__ import annotations

import pytest

from dev.machine.waiting import wait_until
from funcsvc.config import load_settings
from funcsvc.store import open_stores
from tests.fakes import FakeImageRemovals


@pytest.fixture(params=["fake", "real"])
def removals(request):
    """Each of the two in turn."""
    if request.param == "fake":
        yield FakeImageRemovals()
        return
    url, prefix = (request.getfixturevalue(name) for name in ("redis_url", "redis_prefix"))
    stores = open_stores(load_settings({"FUNCSVC_REDIS_URL": url, "FUNCSVC_REDIS_PREFIX": prefix}))
    yield stores.image_removals
    stores.close()


def test_announcement_is_of_one_image(removals):
    removals.announce("sha256:1", 60)
    assert removals.is_announced("sha256:1")
    assert not removals.is_announced("sha256:2")


@pytest.mark.parametrize("seconds", [0, 0.01])
def test_announcement_ends_and_a_later_one_can_be_shorter(removals, seconds):
    removals.announce("sha256:1", 60)
    removals.announce("sha256:1", seconds)
    wait_until(lambda: not removals.is_announced("sha256:1"), "it has ended", 5)
