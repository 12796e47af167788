"""The environment that a function gets from its request: CGI variables, and nothing to abuse."""

from __future__ import annotations

import pytest

from funcsvc.model import MAX_ENVIRONMENT_BYTES
from funcsvc.model.errors import EnvironmentTooLarge
from funcsvc.web.calls.cgi_environment import cgi_environment

CALL_ID = "218b7b10-0000-4000-8000-000000000000"
LEAST = {
    b"REQUEST_METHOD": b"GET",
    b"QUERY_STRING": b"",
    b"CALL_ID": CALL_ID.encode(),
    b"FUNC_NAME": b"hello",
}


def variables(payload_bytes: int = 0, **environ: object) -> dict[bytes, bytes]:
    given = {"REQUEST_METHOD": "GET", "QUERY_STRING": "", **environ}
    entries = cgi_environment(given, payload_bytes, CALL_ID, "hello")
    split = [entry.split(b"=", 1) for entry in entries]
    assert len({name for name, _ in split}) == len(split), "no variable is there twice"
    return dict(split)


def test_least_request_has_method_query_call_and_func():
    assert variables() == LEAST


@pytest.mark.parametrize(
    ("environ", "added"),
    [
        ({"REQUEST_METHOD": "PUT"}, {b"REQUEST_METHOD": b"PUT"}),
        ({"QUERY_STRING": "a=1&b=%20="}, {b"QUERY_STRING": b"a=1&b=%20="}),
        ({"CONTENT_TYPE": "text/plain"}, {b"CONTENT_TYPE": b"text/plain"}),
        ({"CONTENT_TYPE": ""}, {}),
        ({"HTTP_ACCEPT": "*/*"}, {b"HTTP_ACCEPT": b"*/*"}),
        ({"HTTP_X_A": "1,2"}, {b"HTTP_X_A": b"1,2"}),
        ({"HTTP_X_EMPTY": ""}, {b"HTTP_X_EMPTY": b""}),
        ({"HTTP_X_EQUALS": "a=b"}, {b"HTTP_X_EQUALS": b"a=b"}),
        ({"HTTP_X_BYTES": "\xff\xe4"}, {b"HTTP_X_BYTES": b"\xff\xe4"}),
        ({"HTTP_HOST": "localhost"}, {b"HTTP_HOST": b"localhost"}),
        ({"HTTP_PATH": "/evil"}, {b"HTTP_PATH": b"/evil"}),
        ({"HTTP_CALL_ID": "x"}, {b"HTTP_CALL_ID": b"x"}),
        ({"HTTP_PROXY_X": "kept"}, {b"HTTP_PROXY_X": b"kept"}),
    ],
)
def test_request_says(environ, added):
    assert variables(**environ) == LEAST | added


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_PROXY",
        "HTTP_AUTHORIZATION",
        "HTTP_PROXY_AUTHORIZATION",
        "PATH",
        "LD_PRELOAD",
        "PATH_INFO",
        "RAW_URI",
        "REMOTE_ADDR",
        "SCRIPT_NAME",
        "wsgi.input",
        "gunicorn.socket",
        "HTTP_",
        "HTTP_X.Y",
        "HTTP_X!",
        "HTTP_x",
        "HTTP_X\n",
        "XHTTP_A",
        "CALL_ID",
        "FUNC_NAME",
    ],
)
def test_nothing_else_becomes_a_variable(name):
    assert variables(**{name: "evil"}) == LEAST


def test_value_with_nul_is_left_out():
    assert variables(HTTP_X="a\0LD_PRELOAD=b") == LEAST


@pytest.mark.parametrize(("said", "true"), [("", 3), ("3", 3), ("99", 3)])
def test_length_is_the_payloads_own(said, true):
    assert variables(true, CONTENT_LENGTH=said)[b"CONTENT_LENGTH"] == b"3"


@pytest.mark.parametrize("said", ["", "0"])
def test_request_without_a_body_has_no_length(said):
    assert b"CONTENT_LENGTH" not in variables(0, CONTENT_LENGTH=said)


def test_environment_has_a_bound():
    rest = sum(len(name) + len(value) + 2 for name, value in variables(HTTP_X="").items())
    just = MAX_ENVIRONMENT_BYTES - rest
    assert len(variables(HTTP_X="a" * just)[b"HTTP_X"]) == just
    with pytest.raises(EnvironmentTooLarge):
        variables(HTTP_X="a" * (just + 1))
