"""nginx with docs/nginx.conf, in front of services."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dev.machine.places import ROOT
from dev.servers.certificates import Certificates
from dev.servers.process import LOOPBACK, free_port, listens, running
from dev.servers.service import Service

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_SERVER = "server 127.0.0.1:8000 "


class NginxServer(Service):
    """Debian's nginx. Its ports and folders are a test's own, the rest is the file's.

    `behind` are the ports of loopback to which requests go; or `name` is a DNS name and a port, and
    `resolver` the address of a DNS server. With certificates it listens at `tls_port` too.
    """

    def __init__(
        self,
        place: Path,
        *behind: int,
        name: str = "",
        resolver: str = "",
        certificates: Certificates | None = None,
    ) -> None:
        super().__init__(place, free_port(), {})
        self.tls_port = free_port()
        text = (ROOT / "docs/nginx.conf").read_text()
        line = next(line for line in text.splitlines(keepends=True) if _SERVER in line)
        servers = [line.replace(_SERVER, f"server {LOOPBACK}:{port} ") for port in behind]
        paths = "".join(f"{name}_temp_path {place}/{name};" for name in _TEMPORARY)
        changes = {
            "listen 80 ": f"listen {LOOPBACK}:{self.port} ",
            line: "".join(servers) or line,
            "/run/nginx.pid": f"{place}/nginx.pid",
            "/var/log/nginx": str(place),
            "http {": f"http {{ {paths}",
        }
        if name:
            changes |= {"set $funcsvc funcsvc;": f"set $funcsvc {name};"}
            changes |= {"# resolver 127.0.0.11 ": f"resolver {resolver} "}
        if certificates:
            changes |= {"# listen 443 ": f"listen {LOOPBACK}:{self.tls_port} "}
            for word, file in (("", certificates.certificate), ("_key", certificates.key)):
                default = f"/etc/funcsvc/tls.{'key' if word else 'crt'}"
                changes |= {f"# ssl_certificate{word} {default};": f"ssl_certificate{word} {file};"}
        for before, after in changes.items():
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


def nginx_server(*behind: int, **options: Any) -> AbstractContextManager[NginxServer]:
    """Run nginx in front of ports of loopback, or with the options of NginxServer."""
    return running(lambda place: NginxServer(place, *behind, **options))
