"""What every answer has: JSON for 404 and 405, Allow, and a request id."""

from __future__ import annotations

import platform
import re

import pytest

from funcsvc import __version__

PATHS = [
    "/funcs/create", "/v1.23/funcs/create", "/funcs", "/funcs/hello", "/funcs/call/x",
    "/images/json", "/images/ubuntu", "/images/ubuntu/json", "/images/create", "/auth", "/info",
    "/_ping", "/version", "/healthz", "/readyz", "/no",
    "/call/hello/x", "/call/hello/x/sync", "/output/hello/x/y", "/output/hello/x/y/wait",
    "/status/hello/x", "/logs/hello/x",
]  # fmt: skip
OF_ONE_FUNC = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "/funcs/create/more", "/v1.23", "/v1.23/healthz", "/v1.23/readyz",
     "/static/x", "/funcs/..%2f", "/%00", "/ä", "/<script>", "/favicon.ico"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_path_is_not_found(client, method, path):
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (404, "application/json")
    assert answer.get_json() == {"message": "There is nothing at this path."}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/funcs/create", {"POST", *OF_ONE_FUNC}),
        ("BREW", "/v1.23/funcs/create", {"POST", *OF_ONE_FUNC}),
        ("POST", "/funcs", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/v1.23/funcs", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/funcs/hello", OF_ONE_FUNC),
        ("PATCH", "/v1.23/funcs/hello", OF_ONE_FUNC),
        ("PUT", "/funcs/call/x", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/images/create", {"POST", "DELETE", "OPTIONS"}),
        ("PUT", "/images/ubuntu/json", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("POST", "/v1.23/images/json", {"GET", "HEAD", "DELETE", "OPTIONS"}),
        ("GET", "/images/ubuntu", {"DELETE", "OPTIONS"}),
        ("GET", "/auth", {"POST", "OPTIONS"}),
        ("POST", "/info", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/_ping", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/version", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/healthz", {"GET", "HEAD", "OPTIONS"}),
        ("PATCH", "/call/hello/x", {"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"}),
        ("BREW", "/call/hello/x/sync", {"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"}),
        ("POST", "/output/hello/x/y", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/output/hello/x/y/wait", {"GET", "HEAD", "OPTIONS"}),
        ("PUT", "/status/hello/x", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/logs/hello/x", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/readyz", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_wrong_method_is_answered_with_those_that_are_allowed(client, method, path, allowed):
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (405, "application/json")
    assert answer.get_json() == {"message": f"{method} is not allowed at this path."}
    assert set(re.split(r",\s*", answer.headers["Allow"])) == allowed


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_no_method_at_any_path_fails_or_answers_a_page(client, method, path):
    answer = client.open(path, method=method)
    assert answer.status_code in (200, 400, 403, 404, 405)
    assert not answer.data.startswith(b"<")
    assert method not in ("HEAD", "OPTIONS") or answer.status_code != 400
    if answer.status_code >= 400:
        assert answer.content_type == "application/json"


@pytest.mark.parametrize("path", ["/_ping", "/version", "/info", "/healthz", "/readyz"])
def test_head_answers_as_get_without_a_body(client, path):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content_type) == (200, get.content_type)
    assert head.data == b""


@pytest.mark.parametrize("path", ["/funcs/create", "/_ping"])
def test_options_says_which_methods_are_allowed(client, path):
    answer = client.options(path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert "OPTIONS" in answer.headers["Allow"]


@pytest.mark.parametrize("prefix", ["", "/v1.23"])
def test_ping_answers_as_the_engine_does(client, prefix):
    answer = client.get(f"{prefix}/_ping")
    assert (answer.status_code, answer.data) == (200, b"OK")
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["API-Version"] == "1.23"


@pytest.mark.parametrize("prefix", ["", "/v1.23"])
def test_version_answers_as_the_engine_does(client, prefix):
    answer = client.get(f"{prefix}/version")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    body = answer.get_json()
    assert body.pop("Arch")
    assert body == {
        "Platform": {"Name": "funcsvc"},
        "Version": __version__,
        "ApiVersion": "1.23",
        "MinAPIVersion": "1.0",
        "Os": "linux",
        "KernelVersion": platform.release(),
    }


@pytest.mark.parametrize(
    "given", ["a", "A.b_c-9", "e62c014e-386c-42ea-8d07-41d44e98cc3d", "x" * 64]
)
@pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
def test_request_id_that_a_proxy_gave_is_returned(client, given, path):
    assert client.get(path, headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", 'a"', "a/b", "<a>", "ä", "a,b"])
def test_request_id_is_made_where_none_that_can_be_believed_was_given(client, given):
    headers = {} if given is None else {"X-Request-Id": given}
    made = {client.get("/healthz", headers=headers).headers["X-Request-Id"] for _ in range(3)}
    assert len(made) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in made)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/funcs/create", 400), ("POST", "/funcs", 405), ("GET", "/no", 404)],
)
def test_every_answer_has_one_request_id(client, method, path, status):
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert len(answer.headers.getlist("X-Request-Id")) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/funcs/hello"), ("GET", "/funcs"), ("POST", "/images/create?fromImage=ubuntu"),
     ("GET", "/_ping")],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "/v1.23"])
def test_body_that_is_not_json_is_refused_at_every_management_path(client, prefix, method, path):
    answer = client.open(prefix + path, method=method, data="a=b", content_type="text/plain")
    assert (answer.status_code, answer.get_json()) == (
        400,
        {"message": 'Content-Type is "text/plain", but must be application/json.'},
    )
    no_body = client.open(prefix + path, method=method, content_type="text/plain")
    assert "Content-Type" not in str(no_body.get_json(silent=True))
