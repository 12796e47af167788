"""ConcurrencyLimit, for requests that take long."""

from __future__ import annotations

import pytest

from funcsvc.model.errors import TooManyWaits
from funcsvc.web.concurrency import WANTED_SECONDS, ConcurrencyLimit
from tests.unit.clock import Clock


def test_nobody_waits_for_a_place():
    places = ConcurrencyLimit("follow logs", 2)
    places.take()
    places.take()
    with pytest.raises(TooManyWaits) as caught:
        places.take()
    assert caught.value.message == (
        "2 requests already follow logs, the maximum: try again in a few seconds."
    )


def test_place_is_free_again_whatever_happens():
    places = ConcurrencyLimit("follow logs", 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), places.take():
            _ = 1 / 0


@pytest.mark.parametrize(
    ("places", "percent", "share"), [(4, 50, 2), (5, 50, 2), (1, 50, 1), (3, 1, 1), (3, 100, 3)]
)
def test_one_func_has_its_share_and_leaves_the_rest_to_others(places, percent, share):
    limit = ConcurrencyLimit("follow logs", places, percent)
    held = [limit.take("busy") for _ in range(share)]
    if share < places:
        with pytest.raises(TooManyWaits) as caught:
            limit.take("busy")
        assert caught.value.message.startswith(
            f"{share} requests already follow logs of this function, the maximum: "
        )
        limit.take("other")
    with held.pop():
        pass
    limit.take("busy")


def test_place_is_wanted_for_a_while_after_a_request_was_refused_for_it():
    clock = Clock()
    limit = ConcurrencyLimit("follow logs", 2, 50, clock.monotonic)
    busy, other = limit.take("busy"), limit.take("other")
    assert not busy.is_wanted()
    with pytest.raises(TooManyWaits):
        limit.take("third")
    assert busy.is_wanted()
    assert other.is_wanted()
    clock.now += WANTED_SECONDS
    assert not busy.is_wanted()


def test_no_place_is_wanted_once_another_is_free():
    limit = ConcurrencyLimit("follow logs", 2)
    first, second = limit.take("a"), limit.take("b")
    with pytest.raises(TooManyWaits):
        limit.take("c")
    assert first.is_wanted()
    with first:
        pass
    assert not second.is_wanted()


def test_place_is_not_wanted_by_a_request_that_could_not_have_it():
    limit = ConcurrencyLimit("follow logs", 4, 25)
    busy, other = limit.take("busy"), limit.take("other")
    with pytest.raises(TooManyWaits):
        limit.take("busy")
    assert busy.is_wanted()
    assert not other.is_wanted()
    with busy:
        pass
    assert not limit.take("busy").is_wanted()
