"""Functions as their users see them: defined, called and queried over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dev import images, servers

IMAGE = "shell:latest"
CHANGES = ('CMD ["sh"]', "ENV PATH=/bin")


@dataclass
class Functions:
    """The functions of one service, and the UUIDs that open them."""

    web: servers.Service
    image: str = IMAGE
    keys: dict[str, str] = field(default_factory=dict)

    def define(self, name: str, command: str | Sequence[str], **fields: Any) -> None:
        """Define a function. A string is a script for the shell."""
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        config = {"Image": self.image, "Cmd": words, **fields.pop("Config", {})}
        made = self.web.request("POST", "/funcs/create", {"Name": name, "Config": config, **fields})
        assert made.status == 201, made.json
        self.keys[name] = made.json["UUID"]

    def sync(self, name: str, payload: bytes | None = None, **more: Any) -> servers.Answer:
        """Call a function and wait for its output."""
        return self._call(name, "/sync", payload, **more)

    def call(self, name: str, payload: bytes | None = None, **more: Any) -> str:
        """Call a function and return the call's id."""
        answer = self._call(name, "", payload, **more)
        assert answer.status == 200, answer.body
        return str(answer.json["CallId"])

    def output(
        self, name: str, call_id: str, timeout: float = 60, *, wait: bool = True
    ) -> servers.Answer:
        """Ask for the output of a call."""
        path = f"/output/{name}/{self.keys[name]}/{call_id}{'/wait' if wait else ''}"
        return self.web.request("GET", path, timeout=timeout)

    def counts(self, name: str) -> dict[str, int]:
        """Return the counts of a function's calls."""
        counts: dict[str, int] = self.web.request("GET", f"/status/{name}/{self.keys[name]}").json
        return counts

    def run(self, name: str, command: str | Sequence[str], **fields: Any) -> servers.Answer:
        """Define a function and call it once."""
        payload = fields.pop("payload", None)
        self.define(name, command, **fields)
        return self.sync(name, payload)

    def _call(
        self,
        name: str,
        tail: str,
        payload: bytes | None,
        method: str = "POST",
        query: str = "",
        headers: dict[str, str] | None = None,
        timeout: float = 60,
    ) -> servers.Answer:
        path = f"/call/{name}/{self.keys[name]}{tail}{query}"
        typed = {"Content-Type": "application/octet-stream", **(headers or {})}
        return self.web.request(method, path, payload, typed, timeout=timeout)


@contextlib.contextmanager
def functions(
    redis: servers.RedisServer, engine: servers.EngineServer, **settings: Any
) -> Iterator[Functions]:
    """Run a web process and a worker, over a Redis and an engine with the shell image."""
    images.import_image(engine.host, IMAGE, images.shell_tar(), CHANGES)
    given = {"redis_url": redis.url, "docker_host": engine.host}
    with (
        servers.service(**given, threads=64) as web,
        servers.worker(**given, **settings),
    ):
        yield Functions(web)


def containers(engine: servers.EngineServer) -> list[dict[str, Any]]:
    """Return every container of the service on an engine."""
    with contextlib.closing(engine.client()) as client:
        found: list[dict[str, Any]] = client.containers(
            all=True, filters={"label": ["funcsvc.service"]}
        )
    return found


def running(engine: servers.EngineServer, name: str) -> set[str]:
    """Return the ids of the running containers of a function.

    The engine lists a new container a moment before it can inspect it, but not yet as running.
    """
    return {
        it["Id"]
        for it in containers(engine)
        if it["Labels"]["funcsvc.func"] == name and it["State"] == "running"
    }


def wait_until_no_container(
    engine: servers.EngineServer, seconds: float = servers.PATIENCE_SECONDS
) -> None:
    """Fail if the service still has a container on an engine after `seconds`."""
    servers.wait_until(lambda: not containers(engine), "no container is left", seconds)
