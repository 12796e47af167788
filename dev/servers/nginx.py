"""nginx with docs/nginx.conf, in front of a service."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dev.machine.places import ROOT
from dev.servers.process import LOOPBACK, free_port, listens, running
from dev.servers.service import Service

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class NginxServer(Service):
    """Debian's nginx. Its ports and folders are a test's own, the rest is the file's."""

    def __init__(self, place: Path, behind: int) -> None:
        super().__init__(place, free_port(), {})
        text = (ROOT / "docs/nginx.conf").read_text()
        paths = "".join(f"{name}_temp_path {place}/{name};" for name in _TEMPORARY)
        for before, after in (
            ("listen 80 ", f"listen {LOOPBACK}:{self.port} "),
            ("server 127.0.0.1:8000;", f"server {LOOPBACK}:{behind};"),
            ("/run/nginx.pid", f"{place}/nginx.pid"),
            ("/var/log/nginx", str(place)),
            ("http {", f"http {{ {paths}"),
        ):
            assert text.count(before) >= 1, before
            text = text.replace(before, after)
        (place / "nginx.conf").write_text(text)
        self.command = ["nginx", "-c", f"{place}/nginx.conf", "-g", "daemon off;"]

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of its access log."""
        return [json.loads(line) for line in self.text_of("access.log").splitlines()]

    def text_of(self, name: str) -> str:
        """Return a file that it writes."""
        return (self.place / name).read_text()

    def answers(self) -> bool:
        return listens(self.port)


def nginx_server(behind: int) -> AbstractContextManager[NginxServer]:
    """Run nginx in front of a port of loopback."""
    return running(lambda place: NginxServer(place, behind))
