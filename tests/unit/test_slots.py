"""A worker's slots, and the share of them that a func may take while others wait."""

from __future__ import annotations

import pytest

from funcsvc.worker.slots import Slots


@pytest.mark.parametrize(
    ("slots", "percent", "share"),
    [(10, 50, 5), (10, 1, 1), (10, 100, 10), (3, 50, 1), (1, 50, 1), (7, 99, 6)],
)
def test_func_has_its_share_when_it_holds_that_part_of_the_slots(slots, percent, share):
    all_slots = Slots(slots, percent)
    for number in range(1, slots + 1):
        assert all_slots.acquire(0)
        all_slots.begin("mine")
        assert all_slots.with_share() == (["mine"] if number >= share else [])
    assert not all_slots.acquire(0)


def test_func_whose_calls_have_ended_has_no_share():
    slots = Slots(4, 50)
    for name in ("mine", "mine", "theirs"):
        slots.acquire(0)
        slots.begin(name)
    assert slots.with_share() == ["mine"]
    slots.end("mine")
    assert slots.with_share() == []
    assert [slots.acquire(0) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("slots", "percent"), [(1, 50), (1, 100), (2, 50), (3, 50), (10, 1)])
def test_func_that_came_last_has_its_share_where_that_is_one_slot_or_less(slots, percent):
    all_slots = Slots(slots, percent)
    for name in ("mine", "theirs"):
        all_slots.acquire(0)
        all_slots.begin(name)
        all_slots.end(name)
        assert all_slots.with_share() == [name]


def test_slot_in_which_no_call_ran_is_free_again():
    slots = Slots(1, 50)
    assert slots.acquire(0)
    slots.release()
    assert slots.acquire(0)
    assert slots.with_share() == []
