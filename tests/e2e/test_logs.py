"""What the service logs: machine-readable access lines, with request ids and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev import servers
from tests.e2e.raw_http import RawClient

UUID = "e62c014e-386c-42ea-8d07-41d44e98cc3d"
KEYS = ["time", "request_id", "client", "method", "path", "status", "bytes", "ms"]


@pytest.fixture(scope="module")
def web(module_redis: servers.RedisServer, docker_host: str) -> Iterator[servers.Service]:
    with servers.service(redis_url=module_redis.url, docker_host=docker_host) as server:
        yield server


def line_of(web: servers.Service, request_id: str) -> dict[str, Any]:
    """Return the access line of a request. It can be written a moment after the answer."""
    return servers.wait_until(
        lambda: next((it for it in web.access_lines() if it["request_id"] == request_id), None),
        f"request {request_id} is in the access log",
    )


def test_access_line_says_who_what_and_how_long(web: servers.Service, image: str) -> None:
    answer = web.create("logged", image)
    line = line_of(web, answer.headers["X-Request-Id"])
    assert list(line) == KEYS
    assert (line["client"], line["method"], line["path"]) == (
        "127.0.0.1",
        "POST",
        "/funcs/create",
    )
    assert (line["status"], line["bytes"]) == (201, len(answer.body))
    assert 0 <= line["ms"] < 30_000
    assert datetime.now(UTC) - datetime.fromisoformat(line["time"]) < timedelta(minutes=1)


@pytest.mark.parametrize("given", ["abc-123_X.y", "a", "0" * 64])
def test_request_id_of_a_proxy_is_kept(web: servers.Service, given: str) -> None:
    answer = web.request("GET", "/_ping", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given
    assert line_of(web, given)["path"] == "/_ping"


@pytest.mark.parametrize("given", ["", "a b", "a" * 65, '"quoted"', "é", "x\ty"])
def test_request_id_that_could_break_a_log_is_replaced(web: servers.Service, given: str) -> None:
    answer = web.request("GET", "/_ping", headers={"X-Request-Id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


@pytest.mark.parametrize("status", [200, 400, 404, 405, 409])
def test_every_answer_has_a_request_id_of_its_own(
    web: servers.Service, image: str, status: int
) -> None:
    def ask() -> servers.Answer:
        return {
            200: lambda: web.request("GET", "/_ping"),
            400: lambda: web.request("POST", "/funcs/create", b"{"),
            404: lambda: web.request("GET", "/nowhere"),
            405: lambda: web.request("POST", "/funcs"),
            409: lambda: web.create("again", image),
        }[status]()

    if status == 409:
        ask()
    answers = [ask(), ask()]
    assert [answer.status for answer in answers] == [status] * 2
    assert len({answer.headers["X-Request-Id"] for answer in answers} - {None}) == 2


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/call/x/{UUID}", "/call/x/-"),
        (f"/v1.23/call/x/{UUID}/sync", "/v1.23/call/x/-/sync"),
        (f"/output/x/{UUID.upper()}/{UUID}", "/output/x/-/-"),
        (f"/status/x/{UUID}?list=1", "/status/x/-"),
        (f"/logs//{UUID}", "/logs//-"),
        (f"/call/x/%65{UUID[1:]}", "/call/x/-"),
        (f"/call/x/{UUID[:-1]}", "/call/x/-"),
        (f"/call%2Fx%2F{UUID}", "/call/x/-"),
        (f"//call/x/{UUID}", "//call/x/-"),
        (f"/nowhere/{UUID}", "/nowhere/-"),
        (f"/nowhere?token={UUID}", "/nowhere"),
    ],
)
def test_access_line_has_no_uuid_and_no_query(web: servers.Service, path: str, shown: str) -> None:
    answer = web.request("GET", path)
    assert answer.status == 404
    assert line_of(web, answer.headers["X-Request-Id"])["path"] == shown
    assert UUID.lower() not in web.log().lower()


def test_nothing_of_a_body_or_of_credentials_is_logged(web: servers.Service, image: str) -> None:
    headers = {"Authorization": "Basic c2VjcmV0LWhlYWRlcg==", "Cookie": "secret-cookie"}
    body = {"Name": "secretive", "Config": {"Image": image, "Env": ["TOKEN=secret-env"]}}
    answer = web.request("POST", "/funcs/create", body, headers)
    assert answer.status == 201
    refused = web.request(
        "POST", "/funcs/create", {"Name": "secret-UPPER", "Config": body}, headers
    )
    assert refused.status == 400
    for each in (answer, refused):
        line_of(web, each.headers["X-Request-Id"])
    assert "secret-" not in web.log()
    assert "c2VjcmV0LWhlYWRlcg" not in web.log()
    assert answer.json["UUID"] not in web.log()


@pytest.mark.parametrize("path", ["/%0a%0d{}", "/%22%7b%7d", "/%00", "/%1b[31m", "/\xff\xfe"])
def test_no_path_can_break_the_access_log(web: servers.Service, path: str) -> None:
    with RawClient(web.port) as client:
        data = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: odd\r\n\r\n"
        client.send(data.encode("latin-1"))
        assert client.answer().status in (400, 404)
    assert web.request("GET", "/_ping").status == 200
    before = len(web.access_lines())
    assert web.request("GET", "/_ping", headers={"X-Request-Id": "last"}).status == 200
    servers.wait_until(lambda: len(web.access_lines()) > before, "the access log goes on")
    assert web.log().isprintable() or set(web.log()) - set(map(chr, range(32, 0x110000))) == {"\n"}


def test_every_line_is_an_access_line_or_one_of_gunicorns(web: servers.Service) -> None:
    own = re.compile(r"\[\d{4}-\d\d-\d\d [^]]+\] \[\d+\] \[[A-Z]+\] .+")
    for line in web.log().splitlines():
        assert own.fullmatch(line) or list(json.loads(line)) == KEYS, line
