"""The query of a listing: filters in both of the engine's notations, limit, before."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcsvc.model.errors import InvalidParameter
from funcsvc.schemas import load_listing, newest_first
from tests.unit.loading import answer, definition

RULE = 'a JSON object such as {"name": ["x"]} or {"name": {"x": true}}'


def text_of(config=None, **top) -> str:
    return json.dumps(answer(definition(config, **top)))


def lets_by(filters, stored: str) -> bool:
    return load_listing({"filters": json.dumps(filters)}).has(stored)


def refusal(**query: str) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        load_listing(query)
    return caught.value


@pytest.mark.parametrize("query", [{}, {"filters": "", "limit": "", "before": ""}])
def test_listing_without_options_has_everything(query):
    listing = load_listing(query)
    assert (listing.limit, listing.before, listing.names) == (None, None, None)
    assert listing.has(text_of())


@pytest.mark.parametrize("values", [["x", "y"], {"x": True, "y": True}, {"x": False, "y": True}])
def test_filters_are_read_in_both_notations_of_the_engine(values):
    listing = load_listing({"filters": json.dumps({"name": values})})
    assert list(listing.names) == ["x", "y"]
    assert listing.has(text_of(Name="x"))
    assert not listing.has(text_of(Name="z"))


@pytest.mark.parametrize(
    ("filters", "config", "top", "is_let_by"),
    [
        ({"name": ["f"]}, {}, {}, True),
        ({"name": ["F"]}, {}, {}, False),
        ({"name": ["f1", "f"]}, {}, {}, True),
        ({"name": ["ff"]}, {}, {}, False),
        ({"name": [""]}, {}, {}, False),
        ({"size": ["s4"]}, {}, {}, True),
        ({"size": ["s3", "m1"]}, {}, {"ContainerSize": "m1"}, True),
        ({"size": ["s"]}, {}, {}, False),
        ({"image": ["ubuntu"]}, {}, {}, True),
        ({"image": ["ubuntu:latest"]}, {}, {}, True),
        ({"image": ["docker.io/library/ubuntu"]}, {}, {}, True),
        ({"image": ["ubuntu:22.04"]}, {}, {}, False),
        ({"image": ["debian", "ubuntu"]}, {}, {}, True),
        ({"image": ["UBUNTU"]}, {}, {}, False),
        ({"image": [""]}, {}, {}, False),
        ({"image": ["localhost:5000/a"]}, {"Image": "localhost:5000/a:latest"}, {}, True),
        ({"label": ["a"]}, {"Labels": {"a": "1"}}, {}, True),
        ({"label": ["a=1"]}, {"Labels": {"a": "1"}}, {}, True),
        ({"label": ["a=2"]}, {"Labels": {"a": "1"}}, {}, False),
        ({"label": ["a="]}, {"Labels": {"a": "1"}}, {}, False),
        ({"label": ["a="]}, {"Labels": {"a": ""}}, {}, True),
        ({"label": ["a=b=c"]}, {"Labels": {"a": "b=c"}}, {}, True),
        ({"label": ["b"]}, {"Labels": {"a": "b"}}, {}, False),
        ({"label": ["a"]}, {}, {}, False),
        ({"label": ["a", "b"]}, {"Labels": {"a": "1", "b": "2"}}, {}, True),
        ({"label": ["a", "b"]}, {"Labels": {"a": "1"}}, {}, False),
        ({"label": {"a": True}}, {"Labels": {"a": "1"}}, {}, True),
        ({"name": ["f"], "size": ["s4"], "image": ["ubuntu"]}, {}, {}, True),
        ({"name": ["f"], "size": ["s3"]}, {}, {}, False),
        ({}, {}, {}, True),
        ({"name": None}, {}, {}, True),
    ],
)
def test_func_is_let_by_if_and_only_if_every_key_lets_it_by(filters, config, top, is_let_by):
    assert lets_by(filters, text_of(config, **top)) is is_let_by


@pytest.mark.parametrize("key", ["name", "image", "size", "label"])
@pytest.mark.parametrize("empty", [[], {}])
def test_key_without_values_filters_nothing_as_at_the_engine(key, empty):
    listing = load_listing({"filters": json.dumps({key: empty})})
    assert listing.names is None
    assert listing.has(text_of())


def test_name_that_is_asked_for_twice_is_looked_for_once():
    listing = load_listing({"filters": '{"name": ["b", "a", "b"]}'})
    assert sorted(listing.names) == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    ["x", "[]", '"name"', "1", "null", "{", '{"name": "x"}', '{"name": 1}', '{"name": true}',
     '{"name": [1]}', '{"name": ["x", null]}', '{"name": [["x"]]}', '{"name": {"x": 1}}',
     '{"name": {"x": "true"}}', '{"name": {"x": {}}}', '{"name": ["a"], "name": ["b"]}',
     '{"name": ["x"]} ', "{'name': ['x']}", "\ufffd"],
)  # fmt: skip
def test_filters_that_can_not_be_read_are_refused(text):
    if text.strip() != text:  # white space around JSON is valid
        assert list(load_listing({"filters": text}).names) == ["x"]
        return
    sentence = f"filters is {json.dumps(text, ensure_ascii=False)}, but must be {RULE}."
    assert (refusal(filters=text).message, refusal(filters=text).field_errors) == (
        sentence,
        {"filters": [sentence]},
    )


@pytest.mark.parametrize("key", ["names", "Name", "id", "status", "since", "", "uuid"])
def test_unknown_key_of_filters_is_refused_with_those_that_are_known(key):
    text = json.dumps({key: ["x"]})
    rule = "an object whose keys are name, image, size, label"
    sentence = f"filters is {json.dumps(text)}, but must be {rule}."
    assert refusal(filters=text).field_errors == {"filters": [sentence]}


@pytest.mark.parametrize("text", ["1", "2", "100", "9999", "10000"])
def test_limit_is_a_number_of_funcs(text):
    assert load_listing({"limit": text}).limit == int(text)


@pytest.mark.parametrize(
    "text",
    ["0", "10001", "-1", "+1", "1.0", "1e3", "x", " 1", "1 ", "1_0", "²", "\u0661", "0x1", "true",
     "99999999999999999999", "000000000", "0000001000000000", "000000001" + "0" * 5000, "9" * 5000],
)  # fmt: skip
def test_limit_that_is_none_is_refused(text):
    error = refusal(limit=text)
    assert list(error.field_errors) == ["limit"]
    assert error.message.startswith('limit is "')
    assert error.message.endswith(", but must be a whole number from 1 to 10000.")


def test_before_is_the_name_to_go_on_after():
    assert load_listing({"before": "hello"}).before == "hello"


@pytest.mark.parametrize("option", ["all", "Limit", "filter", "since", "x"])
def test_unknown_option_is_refused_with_those_that_are_known(option):
    sentence = f"{option} is not a known option: the options are filters, limit and before."
    assert refusal(**{option: "1"}).message == sentence


@given(filters=st.text(st.characters(exclude_categories=["Cs"])), limit=st.text())
def test_any_query_is_read_or_refused(filters, limit):
    with contextlib.suppress(InvalidParameter):
        load_listing({"filters": filters, "limit": limit})


def test_newest_first_is_by_time_of_creation():
    times = ["2026-01-02T00:00:00.000Z", "2026-01-01T00:00:00.001Z", "2026-01-03T00:00:00.000Z"]
    texts = [json.dumps({"Created": time}) for time in times]
    assert newest_first(texts) == [texts[2], texts[0], texts[1]]
