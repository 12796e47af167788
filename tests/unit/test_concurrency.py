"""Places for requests that take long."""

from __future__ import annotations

import pytest

from funcsvc.model.errors import TooManyWaits
from funcsvc.web.concurrency import Places


def test_nobody_waits_for_a_place():
    places = Places("follow logs", 2)
    with places.taken(), places.taken(), pytest.raises(TooManyWaits) as caught, places.taken():
        pass
    assert caught.value.message == (
        "2 requests follow logs already, which is the most that may: try again in a few seconds."
    )


def test_place_is_free_again_whatever_happens():
    places = Places("follow logs", 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), places.taken():
            _ = 1 / 0
