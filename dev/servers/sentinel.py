"""A sentinel of Redis, and a Redis that speaks TLS alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from dev.servers.certificates import Certificates
from dev.servers.process import LOOPBACK, Server, free_port, listens, running
from dev.servers.redis import RedisServer

SERVICE = "main"
"""The name under which a sentinel knows its Redis."""


class TlsRedisServer(RedisServer):
    """A Redis that accepts only TLS, and asks for no certificate of the client."""

    def __init__(self, place: Path, certificates: Certificates, options: Mapping[str, str]) -> None:
        port = free_port()
        super().__init__(place, {**_tls_options(certificates, port), **options}, port)
        self.authority = certificates.authority

    @property
    def url(self) -> str:
        return f"rediss://{LOOPBACK}:{self.port}/0?ssl_ca_certs={self.authority}"

    def answers(self) -> bool:
        return listens(self.port)


class SentinelServer(Server):
    """A sentinel that watches one Redis, with TLS if it has certificates.

    It listens on both kinds of loopback addresses.
    """

    def __init__(
        self,
        place: Path,
        watched_port: int,
        certificates: Certificates | None,
        options: Mapping[str, str],
    ) -> None:
        self.port = free_port()
        lines = {
            "bind": f"{LOOPBACK} ::1",
            "port": str(self.port),
            "dir": str(place),
            "sentinel monitor": f"{SERVICE} {LOOPBACK} {watched_port} 1",
            **(_tls_options(certificates, self.port) if certificates else {}),
            **options,
        }
        file = place / "sentinel.conf"  # which the sentinel rewrites
        file.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        super().__init__(place, ["redis-server", str(file), "--sentinel"])

    def answers(self) -> bool:
        return listens(self.port)


def _tls_options(certificates: Certificates, port: int) -> dict[str, str]:
    """Return the options by which a Redis or a sentinel listens with TLS alone."""
    return {
        "port": "0",
        "tls-port": str(port),
        "tls-replication": "yes",
        "tls-auth-clients": "no",
        "tls-cert-file": str(certificates.certificate),
        "tls-key-file": str(certificates.key),
        "tls-ca-cert-file": str(certificates.authority),
    }


def tls_redis_server(
    certificates: Certificates, **options: str
) -> AbstractContextManager[TlsRedisServer]:
    """Run a Redis that speaks TLS alone."""
    return running(lambda place: TlsRedisServer(place, certificates, options))


def sentinel_server(
    watched_port: int, certificates: Certificates | None = None, **options: str
) -> AbstractContextManager[SentinelServer]:
    """Run a sentinel of the Redis at a port; options are words of sentinel.conf."""
    return running(lambda place: SentinelServer(place, watched_port, certificates, options))
