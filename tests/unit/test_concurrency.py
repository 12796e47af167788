"""ConcurrencyLimit, for requests that take long."""

from __future__ import annotations

import pytest

from funcsvc.model.errors import TooManyWaits
from funcsvc.web.concurrency import MANAGEMENT, WANTED_SECONDS, ConcurrencyLimit
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


SHARES = pytest.mark.parametrize(
    ("places", "percent", "share"), [(4, 50, 2), (5, 50, 2), (1, 50, 1), (3, 1, 1), (3, 100, 3)]
)


def refusal(limit: ConcurrencyLimit, owner: str) -> str:
    with pytest.raises(TooManyWaits) as caught:
        limit.take(owner)
    return caught.value.message


@SHARES
def test_func_alone_may_use_every_place(places, percent, share):
    limit = ConcurrencyLimit("follow logs", places, percent)
    held = [limit.take("busy") for _ in range(places)]
    assert refusal(limit, "busy").startswith(f"{places} requests already follow logs, ")
    assert not any(place.has_to_end for place in held)


@SHARES
def test_func_beyond_its_share_gives_way_to_another_until_that_has_its_own(places, percent, share):
    """The requests that have been there longest end, one for each that was refused."""
    limit = ConcurrencyLimit("follow logs", places, percent)
    held = [limit.take("busy") for _ in range(places)]
    for _ in range(places + 1):
        refusal(limit, "other")
    ending = [place.has_to_end for place in held]
    count = min(share, places - share)
    assert ending == [True] * count + [False] * (places - count)


def test_place_that_was_given_up_is_not_taken_by_the_func_that_gave_it_up():
    clock = Clock()
    limit = ConcurrencyLimit("follow logs", 4, 50, clock.monotonic)
    first, *_ = [limit.take("busy") for _ in range(4)]
    refusal(limit, "other")
    with first:
        assert first.has_to_end
    assert refusal(limit, "busy").startswith("2 requests already follow logs of this function, ")
    limit.take("other")
    clock.now += WANTED_SECONDS
    assert refusal(limit, "busy").startswith("4 requests already follow logs, ")


def test_nobody_ends_for_a_func_that_has_its_share():
    limit = ConcurrencyLimit("follow logs", 4, 25)
    held = [limit.take("busy") for _ in range(3)]
    limit.take("other")
    refusal(limit, "other")
    assert not any(place.has_to_end for place in held)


def test_of_several_funcs_the_one_furthest_beyond_its_share_gives_way():
    limit = ConcurrencyLimit("follow logs", 10, 20)
    near = [limit.take("near") for _ in range(4)]
    far = [limit.take("far") for _ in range(6)]
    refusal(limit, "other")
    assert [place.has_to_end for place in near] == [False] * 4
    assert [place.has_to_end for place in far] == [True] + [False] * 5


@SHARES
def test_where_no_request_can_end_early_a_func_leaves_the_rest_to_others(places, percent, share):
    limit = ConcurrencyLimit("follow logs", places, percent, end_early=False)
    held = [limit.take("busy") for _ in range(min(share, places - 1) or 1)]
    if share < places:
        message = f"{share} requests already follow logs of this function, the maximum: "
        assert refusal(limit, "busy").startswith(message)
        limit.take(MANAGEMENT)
    with held.pop():
        pass
    limit.take("busy")


def test_where_no_request_can_end_early_a_place_is_kept_for_management():
    limit = ConcurrencyLimit("follow logs", 4, 50, end_early=False)
    for owner in ("a", "b", ""):
        limit.take(owner)
    assert refusal(limit, "c").startswith("3 requests already follow logs, ")
    limit.take(MANAGEMENT)
    assert refusal(limit, MANAGEMENT).startswith("4 requests already follow logs, ")


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
    limit = ConcurrencyLimit("follow logs", 4, 25, end_early=False)
    busy, other = limit.take("busy"), limit.take("other")
    with pytest.raises(TooManyWaits):
        limit.take("busy")
    assert busy.is_wanted()
    assert not other.is_wanted()
    with busy:
        pass
    assert not limit.take("busy").is_wanted()
