"""Access keys: read from lines, hidden from logs, and compared with Basic credentials."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcsvc.config.access_keys import parse_access_keys
from funcsvc.model.errors import Unauthorized
from funcsvc.web.access.keys import AccessKeys

UNREADABLE = "The Basic credentials can't be read."
UNKNOWN = "The access key is unknown."
WRONG = "The secret key is wrong."


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def verdict(credentials: str, **secrets: str) -> str:
    try:
        AccessKeys(secrets).check_basic(credentials)
    except Unauthorized as error:
        return error.message
    return "ok"


@pytest.mark.parametrize(
    ("lines", "secrets"),
    [
        ([], {}),
        (["", "  ", "# a:b"], {}),
        (["a:b"], {"a": "b"}),
        (["a:b", "c:d"], {"a": "b", "c": "d"}),
        (["a:b:c"], {"a": "b:c"}),
        (["a::"], {"a": ":"}),
        ([" a:b \n", "# old", "", "c:d\r\n"], {"a": "b", "c": "d"}),
        (["a:wJalr/K7MDENG+bPx="], {"a": "wJalr/K7MDENG+bPx="}),
        (["ä:☃"], {"ä": "☃"}),
        (["a:same", "b:same"], {"a": "same", "b": "same"}),
    ],
)
def test_lines_are_read_as_keys_and_secrets(lines, secrets):
    assert parse_access_keys(lines) == secrets


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["hunter2"], "Entry 1 must be <key>:<secret>."),
        (["hunter2:"], "Entry 1 must be <key>:<secret>."),
        ([":hunter2"], "Entry 1 must be <key>:<secret>."),
        ([":"], "Entry 1 must be <key>:<secret>."),
        (["a:b", "# c", "hunter2"], "Entry 3 must be <key>:<secret>."),
        (["hunter2:b", "hunter2:c"], "Entry 2 names a key that is already there."),
        (["hunter2:b", "hunter2:b"], "Entry 2 names a key that is already there."),
    ],
)
def test_line_that_is_none_is_refused_by_its_number_and_not_shown(lines, message):
    with pytest.raises(ValueError, match="Entry") as caught:
        parse_access_keys(lines)
    assert str(caught.value) == message


def test_no_keys_are_false():
    assert not AccessKeys({})
    assert AccessKeys({"a": "b"})


def test_shown_keys_show_no_key_and_no_secret():
    keys = AccessKeys({"mykey": "hunter2", "other": "hunter3"})
    assert repr(keys) == str(keys) == f"{keys}" == "<2 access keys>"


def test_secret_is_had_by_its_key_alone():
    keys = AccessKeys({"a": "1", "b": "2"})
    assert (keys.get_secret("a"), keys.get_secret("b")) == ("1", "2")
    with pytest.raises(Unauthorized, match=r"^The access key is unknown\.$"):
        keys.get_secret("A")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:b", "ok"),
        ("c:x:y", "ok"),
        ("ä:☃", "ok"),
        ("a:B", WRONG),
        ("a:b ", WRONG),
        ("a:", WRONG),
        ("a", WRONG),
        ("a:b:c", WRONG),
        ("c:x", WRONG),
        ("ä:snow", WRONG),
        ("a:no secret of any key", WRONG),
        ("A:b", UNKNOWN),
        (" a:b", UNKNOWN),
        ("b:a", UNKNOWN),
        (":b", UNKNOWN),
        ("", UNKNOWN),
        (":", UNKNOWN),
        ("nobody:no secret of any key", UNKNOWN),
        ("a\0:b", UNKNOWN),
    ],
)
def test_basic_credentials_are_a_key_and_its_secret(text, message):
    assert verdict(basic(text), a="b", c="x:y", ä="☃") == message


@pytest.mark.parametrize(
    "credentials",
    ["!!",  "YTp", "YTpi YTpi", "YTpi\n", "a:b", "é", "YTpié", "=", "YTp_", "\x00",
     base64.b64encode(b"a:\xff").decode()],
)  # fmt: skip
def test_malformed_basic_credentials_are_refused(credentials):
    assert verdict(credentials, a="b") == UNREADABLE


def test_basic_credentials_in_latin_1_are_not_utf_8():
    assert verdict(base64.b64encode("ä:b".encode("latin-1")).decode(), ä="b") == UNREADABLE


@given(credentials=st.text(st.characters(max_codepoint=255)) | st.binary().map(base64.b64encode))
def test_any_basic_credentials_are_refused(credentials):
    text = credentials if isinstance(credentials, str) else credentials.decode()
    assert verdict(text, mykey="hunter2") in (UNREADABLE, UNKNOWN)
