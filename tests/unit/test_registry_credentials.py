"""Registry credentials in a body and in X-Registry-Auth: read, or refused without being quoted."""

from __future__ import annotations

import base64
import json

import pytest

from funcsvc.model.errors import InvalidCredentials, InvalidDefinition
from funcsvc.schemas import load_auth_header, load_credentials

LOGIN = {"username": "me", "password": "hunter2?~", "serveraddress": "registry.example.com:5000"}


def header(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    ("document", "read"),
    [
        ({}, {}),
        (LOGIN, LOGIN),
        ({"Username": "me", "PASSWORD": "p"}, {"username": "me", "password": "p"}),
        ({"identitytoken": "t", "registrytoken": "r", "auth": "a", "email": ""},
         {"identitytoken": "t", "registrytoken": "r", "auth": "a", "email": ""}),
    ],
)  # fmt: skip
def test_credentials_are_read_with_keys_in_any_case(document, read):
    assert load_credentials(document) == read
    assert load_auth_header(header(document)) == read


@pytest.mark.parametrize("encode", [base64.urlsafe_b64encode, base64.b64encode])
@pytest.mark.parametrize("keeps_padding", [True, False])
def test_header_is_either_alphabet_of_base64_with_or_without_padding(encode, keeps_padding):
    text = encode(json.dumps(LOGIN).encode()).decode()
    assert "~" not in text
    assert load_auth_header(text if keeps_padding else text.rstrip("=")) == LOGIN


def test_no_header_means_the_operators_credentials_and_an_empty_object_none():
    assert load_auth_header("") is None
    assert load_auth_header("e30=") == {}


@pytest.mark.parametrize(
    "text",
    ["hunter2", "e3", "e30=e30=", "=", "é", "e30 ", header([LOGIN]), header("hunter2"),
     header(None), header({"password": 2}), header({"pass": "hunter2"}), header(LOGIN)[:-8],
     base64.urlsafe_b64encode(b'{"password": "hunter2", "password": ""}').decode(),
     base64.urlsafe_b64encode(b'{"password": "\xff"}').decode(), "A" * 100_000],
)  # fmt: skip
def test_malformed_header_is_refused_without_being_quoted(text):
    with pytest.raises(InvalidCredentials) as caught:
        load_auth_header(text)
    assert caught.value.message == (
        "X-Registry-Auth is malformed, but must be base64url of a JSON object of strings, with the "
        "fields username, password, auth, email, serveraddress, identitytoken, registrytoken."
    )


def test_wrong_fields_of_credentials_are_named_and_their_values_kept_back():
    with pytest.raises(InvalidDefinition) as caught:
        load_credentials({"password": ["hunter2"], "user": "hunter2", "email": 1})
    assert list(caught.value.field_errors) == ["password", "user", "email"]
    assert caught.value.message == "password must be a string. 2 more: see errors."
    assert "hunter2" not in str(caught.value.field_errors)


def test_many_wrong_fields_of_credentials_are_listed_up_to_a_bound():
    with pytest.raises(InvalidDefinition) as caught:
        load_credentials({f"k{n}": "" for n in range(1000)})
    assert len(caught.value.field_errors) == 100
    assert caught.value.message.endswith(" There are more: errors lists only the first 100.")
