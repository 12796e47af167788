"""One suite for the fake and the real store: listing, newest first, in pages."""

from __future__ import annotations

import itertools
import json

import pytest

from funcsvc.model.errors import FuncNotFound
from tests.contract.stores import new_func


def names_of(pages) -> list[list[str]]:
    return [[json.loads(text)["Name"] for text in page] for page in pages]


def fill(store, names: str, first_ms: int = 0) -> None:
    """Create a func for each name, in this order."""
    for number, name in enumerate(names):
        store.create_func(*new_func(name, created_ms=first_ms + number))


def test_list_of_no_funcs_has_no_pages(store):
    assert list(store.list_funcs()) == []


def test_funcs_are_listed_newest_first_as_they_were_written(store):
    made = [new_func(name, created_ms=created_ms) for created_ms, name in enumerate("cab")]
    for pair in made:
        store.create_func(*pair)
    assert list(store.list_funcs()) == [[text for _, text in reversed(made)]]


def test_order_is_by_time_of_creation_and_not_by_order_of_arrival(store):
    for name, created_ms in {"middle": 5, "new": 9, "old": 1}.items():
        store.create_func(*new_func(name, created_ms=created_ms))
    assert names_of(store.list_funcs()) == [["new", "middle", "old"]]


@pytest.mark.parametrize(
    ("page_funcs", "pages"),
    [
        (1, [["e"], ["d"], ["c"], ["b"], ["a"]]),
        (2, [["e", "d"], ["c", "b"], ["a"]]),
        (5, [["e", "d", "c", "b", "a"]]),
        (100, [["e", "d", "c", "b", "a"]]),
    ],
)
def test_pages_have_every_func_once(store, page_funcs, pages):
    fill(store, "abcde")
    found = names_of(store.list_funcs(page_funcs=page_funcs))
    assert [name for page in found for name in page] == [name for page in pages for name in page]
    assert max(map(len, found)) <= page_funcs


@pytest.mark.parametrize(("before", "found"), [("e", "dcba"), ("c", "ba"), ("b", "a"), ("a", "")])
def test_list_begins_after_a_func(store, before, found):
    fill(store, "abcde")
    for page_funcs in (1, 2, 100):
        pages = names_of(store.list_funcs(before, page_funcs))
        assert "".join(name for page in pages for name in page) == found


def test_list_after_a_func_that_is_not_there_is_not_found(store):
    fill(store, "abc")
    with pytest.raises(FuncNotFound) as caught:
        store.list_funcs("nope")
    assert caught.value.message == 'There is no function named "nope".'


@pytest.mark.parametrize("page_funcs", [1, 2, 3, 7, 100])
def test_funcs_of_the_same_millisecond_are_all_listed_once(store, page_funcs):
    for name in "fbdace":
        store.create_func(*new_func(name, created_ms=5))
    store.create_func(*new_func("older", created_ms=4))
    first = [name for page in names_of(store.list_funcs(page_funcs=page_funcs)) for name in page]
    assert sorted(first[:-1]) == list("abcdef")
    assert first[-1] == "older"
    for place, name in enumerate(first):
        after = names_of(store.list_funcs(name, page_funcs))
        assert [one for page in after for one in page] == first[place + 1 :]


def test_func_created_while_others_are_listed_is_shown_or_not_and_moves_none(store):
    fill(store, "abcdef")
    pages = store.list_funcs(page_funcs=2)
    found = names_of([next(pages)])
    fill(store, "xyz", first_ms=100)
    found += names_of(pages)
    listed = [name for page in found for name in page if name not in "xyz"]
    assert listed == list("fedcba")


@pytest.mark.parametrize("removed", ["f", "e", "fe", "d", "dc", "fedc", "a", "edcba"])
def test_funcs_removed_while_others_are_listed_hide_none_that_stay(store, removed):
    fill(store, "abcdef")
    pages = store.list_funcs(page_funcs=2)
    found = names_of([next(pages)])
    for name in removed:
        store.delete_func(name)
    found += names_of(pages)
    listed = [name for page in found for name in page]
    stay = set("abcdef") - set(removed)
    assert [name for name in listed if name in stay] == sorted(stay, reverse=True)
    assert len(listed) == len(set(listed))


def test_page_after_page_by_name_has_every_func_while_others_come_and_go(store):
    fill(store, "abcdef")
    found: list[str] = []
    for number in range(3):
        before = found[-1] if found else None
        names = itertools.chain.from_iterable(names_of(store.list_funcs(before, 2)))
        page = list(itertools.islice(names, 2))
        found += page
        store.create_func(*new_func(f"new-{number}", created_ms=100 + number))
        store.delete_func(page[0])
    assert found == list("fedcba")


def test_funcs_are_got_by_their_names_in_that_order(store):
    fill(store, "abc")
    [found] = names_of([store.get_funcs(["b", "nope", "c", "a"])])
    assert found == ["b", "c", "a"]
    assert store.get_funcs(["nope"]) == store.get_funcs([]) == []


def test_updated_func_is_listed_as_it_is_by_then(store):
    fill(store, "abc")
    pages = store.list_funcs(page_funcs=1)
    next(pages)
    after = store.update_func("b", lambda before: before.replace('"s4"', '"s3"'))
    assert next(pages) == [after]
