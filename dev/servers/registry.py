"""An image registry, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dev.servers.process import LOOPBACK, Server, free_port, running

HTPASSWD = "user:$2b$04$sMN97jQvaXTSekLc8r8QV.G3OrfI3rRZate4q3wHDHFkg5c1j7gt6\n"
"""The user "user" with the password "secret"."""

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def registry_server(*, login: bool = False) -> AbstractContextManager[RegistryServer]:
    """Run an image registry, empty; with `login` it wants the user "user", password "secret"."""
    return running(lambda place: RegistryServer(place, login=login))


class RegistryServer(Server):
    """Debian's docker-registry. Its log has a line for each request."""

    def __init__(self, place: Path, *, login: bool) -> None:
        self.port = free_port()
        self.domain = f"{LOOPBACK}:{self.port}"
        config: dict[str, Any] = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": f"{place}/data"}},
            "http": {"addr": self.domain},
        }
        if login:
            (place / "htpasswd").write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "test", "path": f"{place}/htpasswd"}}
        (place / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        super().__init__(place, ["docker-registry", "serve", f"{place}/config.yml"])

    def answers(self) -> bool:
        try:
            return self._ask("GET", "/v2/").status in (200, 401)
        except (OSError, http.client.HTTPException):
            return False

    def digest(self, name: str) -> str:
        """Return the digest of an image, such as `sha256:…`, by its name with domain and tag."""
        repository, _, tag = name.removeprefix(f"{self.domain}/").rpartition(":")
        answer = self._ask("HEAD", f"/v2/{repository}/manifests/{tag}")
        return str(answer.headers["Docker-Content-Digest"])

    def _ask(self, method: str, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Accept": MANIFEST})
            return connection.getresponse()
