"""A client of calls on one keep-alive connection, which looks at each answer."""

from __future__ import annotations

import http.client
import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bench.runs import BenchFailed
from bench.service import Service

_TIMEOUT_SECONDS = 60

PAYLOAD = b"0123456789abcdef" * 4
"""The 64 bytes that go in and come out."""


@dataclass(frozen=True)
class CallAddress:
    """Where a func is called: below `/call`, `/output` and `/status`."""

    port: int
    name: str
    uuid: str

    @property
    def path(self) -> str:
        """The part of the paths that names the func."""
        return f"{self.name}/{self.uuid}"

    @property
    def url(self) -> str:
        """Where a call is accepted."""
        return f"http://127.0.0.1:{self.port}/call/{self.path}"


def create_func(service: Service, name: str, image: str) -> CallAddress:
    """Create a func that is `cat`, and return where it is called."""
    definition = {"Name": name, "Config": {"Cmd": ["cat"], "Image": image}}
    headers = {"Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request("POST", "/funcs/create", json.dumps(definition), headers)
        answer = connection.getresponse()
        text = answer.read()
    if answer.status != 201:
        raise BenchFailed(f"The create of {name} was answered {answer.status}: {text[:300]!r}")
    return CallAddress(service.port, name, json.loads(text)["UUID"])


class CallClient:
    """One keep-alive connection to one func. For one thread; to be closed."""

    def __init__(self, address: CallAddress) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", address.port, timeout=_TIMEOUT_SECONDS
        )

    def call_sync(self, payload: bytes = PAYLOAD) -> float:
        """Call `cat` and wait for its output; return the milliseconds it took."""
        start = time.perf_counter()
        output = self._ask("POST", f"/call/{self._address.path}/sync", payload)
        taken_ms = (time.perf_counter() - start) * 1000
        if output != payload:
            raise BenchFailed(f"{len(payload)} bytes went in, and {output[:100]!r} came out.")
        return taken_ms

    def enqueue(self, payload: bytes = PAYLOAD) -> str:
        """Call without waiting; return the call's id."""
        call_id: str = json.loads(self._ask("POST", f"/call/{self._address.path}", payload))[
            "CallId"
        ]
        return call_id

    def get_output(self, call_id: str) -> bytes:
        """Return the output of a call that has ended; it is removed with that."""
        return self._ask("GET", f"/output/{self._address.path}/{call_id}")

    def get_status(self) -> dict[str, Any]:
        """Return how many calls there are in each status."""
        status: dict[str, Any] = json.loads(self._ask("GET", f"/status/{self._address.path}"))
        return status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            kind = path.split("/")[1]
            raise BenchFailed(f"/{kind}/… was answered {answer.status}: {content[:300]!r}")
        return content
