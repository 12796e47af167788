"""Access to real processes: keys, signatures over raw sockets, hosts, and listening addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import signal
import socket
from datetime import UTC, datetime

import pytest

from dev import servers
from tests.e2e.raw_http import RawClient

KEY, SECRET = "HYPEREXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
UPDATE = b'{"Timeout": 5}'


def basic(key: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}


def signed_update(host: str, canonical_host: str, path: str, canonical_path: str) -> bytes:
    """Return the bytes of a PUT, signed by hand with the current time and the test's key."""
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/eu-west-1/hyper/hyper_request"
    names = "content-type;host;x-hyper-content-sha256;x-hyper-date"
    body_hash = hashlib.sha256(UPDATE).hexdigest()
    canonical = (
        f"PUT\n{canonical_path}\n\n"
        f"content-type:application/json\nhost:{canonical_host}\n"
        f"x-hyper-content-sha256:{body_hash}\nx-hyper-date:{date}\n"
        f"\n{names}\n{body_hash}"
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"HYPER{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    to_sign = f"HYPER-HMAC-SHA256\n{date}\n{scope}\n{digest}"
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return (
        f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(UPDATE)}\r\nX-Hyper-Date: {date}\r\n"
        f"X-Hyper-Content-Sha256: {body_hash}\r\n"
        f"Authorization: HYPER-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}\r\n\r\n"
    ).encode() + UPDATE


def test_signed_request_over_a_raw_socket_is_let_in(start, image: str) -> None:
    web = start(access_keys=f"other:secret,{KEY}:{SECRET}", workers=2)
    body = {"Name": "hello", "Config": {"Image": image}}
    created = web.request("POST", "/funcs/create", body, basic("other", "secret"))
    assert created.status == 201
    own = f"127.0.0.1:{web.port}"
    for host, canonical_host, path, canonical_path, status in (
        (own, own, "/funcs/hello", "funcs/hello", 200),
        (own, own, "/v1.23/funcs/hello", "v1.23/funcs/hello", 200),
        (own, own, "/v1.23/funcs/%68ello", "v1.23/funcs/hello", 200),
        ("func.example.com:8443", "func.example.com:8443", "/funcs/hello", "funcs/hello", 200),
        ("func.example.com:443", "func.example.com", "/funcs/hello", "funcs/hello", 200),
        ("func.example.com", "func.example.com", "/funcs/hello", "funcs/hello", 200),
        ("[::1]:8000", "[::1]:8000", "/funcs/hello", "funcs/hello", 200),
        (own, "127.0.0.1", "/funcs/hello", "funcs/hello", 401),
        (own, own, "/funcs/hello", "/funcs/hello", 401),
        (own, own, "/funcs/hello", "funcs/other", 401),
    ):
        with RawClient(web.port) as client:
            client.send(signed_update(host, canonical_host, path, canonical_path))
            answer = client.answer()
        assert answer.status == status, (host, path, answer.body)
        if status == 401:
            assert answer.json == {"message": "The signature is wrong."}


def test_keys_from_a_file_and_from_the_environment_are_both_known(start) -> None:
    with servers.folder() as place:
        file = place / "keys"
        file.write_text("# the team's\nfiled:one:two\n")
        web = start(access_keys="given:three", access_keys_file=file)
        for headers, status in (
            (basic("filed", "one:two"), 200),
            (basic("given", "three"), 200),
            (basic("given", "one:two"), 401),
            ({}, 401),
        ):
            answer = web.request("GET", "/v1.23/funcs", headers=headers)
            assert answer.status == status
        assert len(answer.headers.get_all("WWW-Authenticate")) == 2
        assert [web.request("GET", path).status for path in ("/healthz", "/readyz")] == [200, 200]
        assert not any(word in web.log() for word in ("one:two", "three"))


def test_reload_reads_the_file_of_keys_again_without_an_outage(start) -> None:
    with servers.folder() as place:
        file = place / "keys"
        file.write_text("old:1\n")
        web = start(access_keys_file=file)

        def status(key: str, secret: str) -> int:
            return web.request("GET", "/funcs", headers=basic(key, secret)).status

        for text, known, unknown in (
            ("old:1\nnew:2\n", [("old", "1"), ("new", "2")], []),
            ("new:2\n", [("new", "2")], [("old", "1")]),
        ):
            workers = web.worker_pids()
            file.write_text(text)
            os.kill(web.pid, signal.SIGHUP)
            servers.wait_until(
                lambda before=workers: web.worker_pids() and not {*before} & {*web.worker_pids()},
                "the workers are new",
            )
            assert [status(*pair) for pair in known] == [200] * len(known)
            assert [status(*pair) for pair in unknown] == [401] * len(unknown)


def test_failed_attempts_are_counted_over_all_workers(start) -> None:
    web = start(access_keys="mykey:mysecret", failed_attempts="4/hour", workers=2)
    statuses = [web.request("GET", "/funcs", headers=basic("mykey", "x")).status for _ in range(12)]
    assert statuses == [401] * 4 + [429] * 8
    for _ in range(4):
        answer = web.request("GET", "/funcs", headers=basic("mykey", "mysecret"))
        assert (answer.status, answer.json) == (200, [])


def test_garbage_as_authorization_is_401_and_no_trace(start) -> None:
    web = start(access_keys="mykey:mysecret", failed_attempts="1000/minute")
    for value in (
        b"Basic \xff\xfe", b"Basic", b"Basic ====", b"basic \x01", b"HYPER-HMAC-SHA256 \xe9",
        b"HYPER-HMAC-SHA256 Credential=mykey/20170316/x/hyper/hyper_request", b"Bearer x", b",",
        b"x" * 4000,
    ):  # fmt: skip
        with RawClient(web.port) as client:
            client.send(b"GET /funcs HTTP/1.1\r\nHost: x\r\nAuthorization: " + value + b"\r\n\r\n")
            answer = client.answer()
        assert answer.status in (400, 401), value
        assert list(answer.json) == ["message"]
    assert "Traceback" not in web.log()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1", 200),
        (b"localhost:1234", 200),
        (b"[::1]:8000", 200),
        (b"evil.example", 400),
        (b"127.0.0.1.evil.example:8000", 400),
        (b"", 400),
        (None, 400),
    ],
)
def test_open_service_answers_to_loopback_names_alone(
    start, host: bytes | None, status: int
) -> None:
    web = start()
    with RawClient(web.port) as client:
        line = b"" if host is None else b"Host: " + host + b"\r\n"
        client.send(b"GET /funcs HTTP/1.1\r\n" + line + b"X-Forwarded-Host: localhost\r\n\r\n")
        answer = client.answer()
    assert answer.status == status
    assert status == 200 or list(answer.json) == ["message"]


def test_web_page_that_rebinds_its_name_creates_nothing(
    start, image: str, own_redis: servers.RedisServer
) -> None:
    web = start()
    body = {"Name": "evil", "Config": {"Image": image}}
    answer = web.request("POST", "/funcs/create", body, {"Host": f"evil.example:{web.port}"})
    assert answer.status == 400
    with own_redis.client() as client:
        assert list(client.scan_iter("*")) == []


def test_service_behind_a_guard_answers_to_every_host(start) -> None:
    web = start(proxy_guards="true")
    answer = web.request("GET", "/funcs", headers={"Host": "func.example.com"})
    assert (answer.status, answer.json) == (200, [])


@pytest.mark.parametrize("address", ["0.0.0.0", "[::]"])
def test_open_service_refuses_to_start_on_other_addresses(
    own_redis: servers.RedisServer, docker_host: str, address: str
) -> None:
    with servers.folder() as place:
        bind = f"{address}:{servers.free_port()}"
        web = servers.make_service(
            place, redis_url=own_redis.url, docker_host=docker_host, bind=bind
        )
        try:
            with pytest.raises(AssertionError, match="ended"):
                web.start(lambda: False)
        finally:
            web.end()
        assert web.process.returncode == 1
        assert web.log().strip() == (
            f"funcsvc can't start: FUNCSVC_BIND is {bind}, but without access keys the service "
            "listens on loopback only: set FUNCSVC_ACCESS_KEYS, or FUNCSVC_PROXY_GUARDS=true if a "
            "proxy in front decides who may come in."
        )


@pytest.mark.parametrize(
    ("setting", "status"), [({"proxy_guards": "true"}, 200), ({"access_keys": "a:b"}, 401)]
)
def test_guarded_service_and_service_with_keys_start_on_every_address(
    own_redis: servers.RedisServer, docker_host: str, setting: dict, status: int
) -> None:
    port = servers.free_port()
    with servers.folder() as place:
        web = servers.make_service(
            place,
            redis_url=own_redis.url,
            docker_host=docker_host,
            bind=f"0.0.0.0:{port}",
            **setting,
        )
        web.port = port
        try:
            web.start(web.is_healthy)
            assert web.request("GET", "/funcs").status == status
        finally:
            web.end()


@pytest.mark.parametrize("keys", ["hunter2", "mykey:hunter2,mykey:x"])
def test_keys_that_are_none_stop_the_start_and_are_not_shown(keys: str) -> None:
    with servers.folder() as place:
        web = servers.make_service(place, access_keys=keys)
        try:
            with pytest.raises(AssertionError, match="ended") as caught:
                web.start(lambda: False)
        finally:
            web.end()
        assert web.process.returncode == 1
        assert web.log().startswith("funcsvc can't start: The access keys are not valid: Entry ")
        assert "hunter2" not in web.log() + str(caught.value)
        assert "Traceback" not in web.log()


def test_clients_behind_a_proxy_on_a_unix_socket_are_told_apart(
    own_redis: servers.RedisServer, docker_host: str
) -> None:
    with servers.folder() as place:
        path = place / "socket"
        web = servers.make_service(
            place,
            redis_url=own_redis.url,
            docker_host=docker_host,
            bind=f"unix:{path}",
            access_keys="mykey:mysecret",
            failed_attempts="1/hour",
        )

        def status(client_address: str) -> bytes:
            authorization = basic("mykey", "wrong")["Authorization"]
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(servers.PATIENCE_SECONDS)
                connection.connect(str(path))
                connection.sendall(
                    f"GET /funcs HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client_address}\r\n"
                    f"Authorization: {authorization}\r\n\r\n".encode()
                )
                return connection.recv(64).split()[1]

        try:
            web.start(lambda: servers.listens(path))
            assert status("198.51.100.7") == b"401"
            assert status("198.51.100.7") == b"429"
            assert status("198.51.100.8") == b"401"
        finally:
            web.end()
