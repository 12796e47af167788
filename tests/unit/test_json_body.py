"""Bytes to one JSON object: what is refused, where the message points, and what null means."""

from __future__ import annotations

import pytest

from funcsvc.model.errors import InvalidDefinition, MalformedBody
from funcsvc.schemas import parse_json_object
from funcsvc.schemas.json_body import MAX_DEPTH


def message_of(body: bytes) -> str:
    with pytest.raises(MalformedBody) as caught:
        parse_json_object(body)
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {}),
        (b' \t\r\n{"a": 1}\n', {"a": 1}),
        ('{"ä": "☃😀"}'.encode(), {"ä": "☃😀"}),
        (b'{"a": "\\u2603"}', {"a": "☃"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a": [true, false, 1.5, -1]}', {"a": [True, False, 1.5, -1]}),
        (b'{"a": "NaN", "b": "null"}', {"a": "NaN", "b": "null"}),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
    ],
)
def test_parse_reads_an_object(body, expected):
    assert parse_json_object(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": null}', {}),
        (b'{"a": null, "b": 1}', {"b": 1}),
        (b'{"a": {"b": null}}', {"a": {}}),
        (b'{"a": [{"b": null}]}', {"a": [{}]}),
        (b'{"a": 0, "b": "", "c": false, "d": []}', {"a": 0, "b": "", "c": False, "d": []}),
    ],
)
def test_parse_takes_null_out_of_every_object(body, expected):
    assert parse_json_object(body) == expected


def test_parse_keeps_null_in_a_list_for_the_rule_of_its_field():
    assert parse_json_object(b'{"a": [null]}') == {"a": [None]}


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
def test_parse_refuses_an_empty_body(body):
    assert message_of(body) == "The body is empty, but must be a JSON object."


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"null", "null"),
        (b"true", "a boolean"),
        (b'"text"', "a string"),
        (b"[{}]", "a list"),
        (b"1", "a number"),
        (b"1.5", "a number"),
    ],
)
def test_parse_refuses_what_is_no_object(body, kind):
    assert message_of(body) == f"The body is {kind}, but must be a JSON object."


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"{", "line 1, column 2"),
        (b'{"a" 1}', "line 1, column 6"),
        (b'{"a": 1}\n}', "line 2, column 1"),
        (b'{\n"a": x}', "line 2, column 6"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": "\x00"}', "line 1, column 8"),
        (b'{"a": "\n"}', "line 1, column 8"),
        (b'{"a": "\\x41"}', "line 1, column 8"),
        (b'{"a": 01}', "line 1, column 8"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b'{"a": 1} {}', "line 1, column 10"),
    ],
)
def test_parse_says_where_the_json_is_malformed(body, where):
    message = message_of(body)
    assert message.startswith("The body is not valid JSON: ")
    assert message.endswith(f" at {where}.")


@pytest.mark.parametrize(
    ("body", "byte"),
    [
        (b"\xff", 0),
        (b'{"a": "\xc3"}', 7),
        (b'{"a": "\xed\xa0\x80"}', 7),
        ('{"a": 1}'.encode("utf-16"), 0),
    ],
    ids=["no start byte", "cut short", "surrogate in UTF-8", "UTF-16"],
)
def test_parse_says_at_which_byte_utf8_breaks(body, byte):
    assert message_of(body) == f"The body is not valid UTF-8 at byte {byte}."


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"a": 1, "a": 1}', '"a"'),
        (b'{"a": null, "a": 1}', '"a"'),
        (b'{"x": [{"b": 1, "a": 2, "b": 3}]}', '"b"'),
        (b'{"a": 1, "\\u0061": 2}', '"a"'),
        (b'{"": 1, "": 2}', '""'),
        (b'{"\\ud800": 1, "\\ud800": 2}', '"\\\\ud800"'),
        (b'{"%s": 1, "%s": 2}' % (b"k" * 41, b"k" * 41), f'"{"k" * 40}…"'),
    ],
)
def test_parse_refuses_a_key_that_is_twice_in_one_object(body, key):
    assert message_of(body) == f"The key {key} appears twice in one object."


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_parse_refuses_constants_that_json_lacks(name):
    body = f'{{"a": {name}}}'.encode()
    assert message_of(body) == f"The body contains {name}, which is not a JSON value."


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 0])
def test_parse_reads_integers_up_to_64_bits(number):
    assert parse_json_object(b'{"a": %d}' % number) == {"a": number}


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (str(2**64), str(2**64)),
        (str(-(2**63) - 1), str(-(2**63) - 1)),
        ("9" * 5000, "9" * 40 + "…"),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
    ],
)
def test_parse_refuses_numbers_beyond_64_bits(number, shown):
    body = f'{{"a": {number}}}'.encode()
    assert message_of(body) == f"The number {shown} doesn't fit in 64 bits."


def test_parse_reads_the_largest_float():
    assert parse_json_object(b'{"a": 1.7e308}') == {"a": 1.7e308}


def nested(depth: int) -> bytes:
    """Return an object with `depth` levels of objects and lists, itself included."""
    return b'{"a": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_parse_reads_what_nests_as_deep_as_allowed():
    document = parse_json_object(nested(MAX_DEPTH))
    depth, value = 1, document["a"]
    while value:
        depth, value = depth + 1, value[0]
    assert depth == MAX_DEPTH - 1  # the innermost is empty


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1000, 100_000])
@pytest.mark.parametrize("closed", [True, False])
def test_parse_refuses_what_nests_too_deep(depth, closed):
    body = nested(depth) if closed else b'{"a": ' + b"[" * depth
    assert message_of(body) == (
        "The body is nested too deeply: at most "
        f"{MAX_DEPTH} levels of objects and lists are allowed."
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "%s"}' % (b"[{" * 100),
        b'{"a": "\\"%s"}' % (b"[" * 100),
        b'{"a": "\\\\", "b": "%s"}' % (b"[" * 100),
        b'{"a": [%s]}' % b",".join([b"{}"] * 100),
    ],
    ids=["brackets in a string", "after an escaped quote", "after a backslash", "side by side"],
)
def test_parse_counts_depth_and_not_brackets(body):
    assert parse_json_object(body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"Name": "a\\u0000b"}', "Name"),
        (b'{"Config": {"Env": ["A=1", "B=\\u0000"]}}', "Config.Env.1"),
        (b'{"a\\u0000": 1}', "a\\0"),
        (b'{"a": [[{"b": "\\u0000"}]]}', "a.0.0.b"),
    ],
)
def test_parse_refuses_nul_characters_under_their_path(body, path):
    with pytest.raises(InvalidDefinition) as caught:
        parse_json_object(body)
    assert caught.value.field_errors == {
        path: [f"{path} contains a NUL character, which is not allowed."]
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"Name": "\\ud800"}', "Name"),
        (b'{"Name": "\\ude00\\ud83d"}', "Name"),
        (b'{"Config": {"Cmd": ["\\udfff"]}}', "Config.Cmd.0"),
        (b'{"\\ud800": 1}', "\\ud800"),
    ],
)
def test_parse_refuses_lone_surrogates_under_their_path(body, path):
    with pytest.raises(InvalidDefinition) as caught:
        parse_json_object(body)
    assert caught.value.field_errors == {
        path: [f"{path} contains a lone surrogate, which is not a character."]
    }


def test_parse_reports_every_bad_string_at_once():
    body = b'{"Name": "\\u0000", "Config": {"Image": "\\ud800", "Env": ["ok", "\\u0000"]}}'
    with pytest.raises(InvalidDefinition) as caught:
        parse_json_object(body)
    assert list(caught.value.field_errors) == ["Name", "Config.Image", "Config.Env.1"]
