"""What docs/clients.md says, done: requests as original clients make them, over nginx and TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shlex
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from dev import servers
from tests import signing
from tests.e2e import calling
from tests.e2e.test_readme import FENCE

PAGE = (servers.ROOT / "docs/clients.md").read_text()
EXPORT = re.compile(r"^export (\w+)=(.*)$", re.MULTILINE)
NAME = "helloworld"


@pytest.fixture(scope="module")
def variables() -> dict[str, str]:
    """The environment that the page gives to the original command."""
    return dict(EXPORT.findall(PAGE))


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder in which the page's first command has made a certificate."""
    with servers.folder() as folder:
        subprocess.run(shlex.split(commands()[0][0]), cwd=folder, check=True, capture_output=True)
        yield folder


def commands() -> list[tuple[str, str]]:
    """Return each command of the page, with the answer below it."""
    blocks = [block["text"] for block in FENCE.finditer(PAGE) if block["language"] == "console"]
    found = [block.removeprefix("$ ").partition("\n") for block in blocks]
    return [(command, answer.rstrip("\n")) for command, _, answer in found]


@pytest.fixture(scope="module")
def proxy(
    place: Path, variables, module_redis: servers.RedisServer, docker_host: str
) -> Iterator[servers.NginxServer]:
    """nginx with the lines for TLS, in front of a service with the page's access key."""
    given = {
        "redis_url": module_redis.url,
        "docker_host": docker_host,
        "access_keys": f"{variables['HYPER_ACCESS']}:{variables['HYPER_SECRET']}",
        "trusted_proxies": "127.0.0.1",
        "threads": 32,
        "max_followers": 4,
    }
    certificates = servers.Certificates(place / "tls.crt", place / "tls.crt", place / "tls.key")
    with (
        servers.service(**given) as web,
        servers.nginx_server(web.port, certificates=certificates) as server,
    ):
        yield server


@dataclass
class Client:
    """An original client: it knows the names of its hosts, its key, and whom to trust."""

    tls_port: int
    authority: Path
    api_host: str
    func_host: str
    key: tuple[str, str]

    def connection(self, host: str) -> http.client.HTTPSConnection:
        """Connect to a host's port 443, which is nginx's in the test."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(host, timeout=30, context=context)
        plain = socket.create_connection((servers.LOOPBACK, self.tls_port), timeout=30)
        connection.sock = context.wrap_socket(plain, server_hostname=host)
        return connection

    def manage(self, method: str, path: str, body: bytes = b"", query: str = "") -> servers.Answer:
        """Send a signed request, whose Host has the port, while what is signed doesn't."""
        date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        host = self.api_host.removesuffix(":443")
        signed = {**signing.headers_of(body), "host": host, "x-hyper-date": date}
        signed["content-type"] = "application/json"
        scope = (date[:8], "us-west-1", "hyper", "hyper_request")
        key, secret = self.key
        authorization = signing.authorization_of(
            quote(path), query, method, signed, body, key, secret, scope, date
        )
        headers = {
            **{name.title(): value for name, value in signed.items()},
            "Host": self.api_host,
            "Authorization": f"HYPER-HMAC-SHA256 {authorization}",
        }
        target = f"/{path}?{query}" if query else f"/{path}"
        with contextlib.closing(self.connection(host)) as connection:
            return servers.exchange(connection, method, target, body or None, headers)

    def public(self, method: str, path: str, body: bytes | None = None) -> servers.Answer:
        """Send a request to the endpoint of functions."""
        with contextlib.closing(self.connection(self.func_host)) as connection:
            return servers.exchange(connection, method, path, body)


@pytest.fixture(params=["hyper", "hyperb"])
def client(request, proxy: servers.NginxServer, place: Path, variables) -> Client:
    """The command, with the page's environment, and the Ruby client with its built-in hosts."""
    key = (variables["HYPER_ACCESS"], variables["HYPER_SECRET"])
    hosts = (urlsplit(variables["HYPER_DEFAULT_REGION"]).netloc, variables["HYPER_FUNC_ENDPOINT"])
    if request.param == "hyperb":
        hosts = ("us-west-1.hyper.sh", "us-west-1.hyperfunc.io")
    return Client(proxy.tls_port, place / variables["SSL_CERT_FILE"], *hosts, key)


def test_original_client_manages_and_calls_a_function(
    client: Client, calls: calling.Calls, image: str
) -> None:
    assert client.manage("GET", f"v1.23/images/{image}/json").status == 200
    body = json.dumps({"Name": NAME, "Config": {"Image": image, "Cmd": ["echo"]}}).encode()
    created = client.manage("POST", "v1.23/funcs/create", body)
    assert created.status == 201, created.body
    query = "filters=%7B%22name%22%3A%7B%22helloworld%22%3Atrue%7D%7D"
    assert len(client.manage("GET", "v1.23/funcs", query=query).json) == 1
    assert client.manage("PUT", f"v1.23/funcs/{NAME}", b'{"Timeout": 5}').json["Timeout"] == 5
    address = f"{NAME}/{client.manage('GET', f'v1.23/funcs/{NAME}').json['UUID']}"
    with calling.worker(calls):
        assert client.public("POST", f"/call/{address}/sync", b"hello").body == b"HelloWorld\n"
        call_id = client.public("POST", f"/call/{address}").json["CallId"]
        assert client.manage("GET", f"v1.23/funcs/call/{call_id}").json["Name"] == NAME
        assert client.public("GET", f"/output/{address}/{call_id}/wait").body == b"HelloWorld\n"
    assert client.public("GET", f"/status/{address}?list=false").json["Total"] == 2
    servers.wait_until(
        lambda: client.manage("DELETE", f"v1.23/funcs/{NAME}").status == 204, "it is removed"
    )


def test_original_command_follows_logs_over_tls(
    client: Client, address: str, calls: calling.Calls
) -> None:
    with contextlib.closing(client.connection(client.func_host)) as connection:
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        connection.request("GET", f"/logs/{address}?follow=true&tail=all", headers=headers)
        lines = connection.sock.makefile("rb")
        assert lines.readline() == b"HTTP/1.1 101 UPGRADED\r\n"
        while lines.readline() != b"\r\n":
            pass
        client.public("POST", f"/call/{address}")
        assert json.loads(lines.readline())["Event"] == "CALL"


def test_request_with_a_wrong_secret_is_refused(client: Client) -> None:
    client.key = (client.key[0], "other")
    answer = client.manage("GET", "v1.23/funcs")
    assert (answer.status, answer.json) == (401, {"message": "The signature is wrong."})


def test_plain_request_to_the_port_of_tls_is_told_so_in_json(proxy: servers.NginxServer) -> None:
    with contextlib.closing(
        http.client.HTTPConnection(servers.LOOPBACK, proxy.tls_port, timeout=30)
    ) as connection:
        answer = servers.exchange(connection, "GET", "/_ping")
    message = "The request is not valid HTTP, or should have come over TLS."
    assert (answer.status, answer.json) == (400, {"message": message})


def test_commands_of_the_page_answer_what_it_says(proxy: servers.NginxServer, place: Path) -> None:
    """The first one has made the certificate."""
    (command, expected), *others = commands()[1:]
    assert others == []
    host = "func.example.com:443"
    there = f"curl -sS --connect-to {host}:{servers.LOOPBACK}:{proxy.tls_port} "
    result = subprocess.run(
        ["sh", "-c", command.replace("curl ", there, 1)],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, expected), result.stderr
