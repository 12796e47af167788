"""ConcurrencyLimit, for requests that take long."""

from __future__ import annotations

import pytest

from funcsvc.model.errors import TooManyWaits
from funcsvc.web.concurrency import ConcurrencyLimit


def test_nobody_waits_for_a_place():
    places = ConcurrencyLimit("follow logs", 2)
    with places.held(), places.held(), pytest.raises(TooManyWaits) as caught, places.held():
        pass
    assert caught.value.message == (
        "2 requests already follow logs, the maximum: try again in a few seconds."
    )


def test_place_is_free_again_whatever_happens():
    places = ConcurrencyLimit("follow logs", 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), places.held():
            _ = 1 / 0
