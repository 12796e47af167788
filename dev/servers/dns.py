"""A DNS server that answers every question with the addresses of a test."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

from dev.servers.process import LOOPBACK

_POLL_SECONDS = 0.1
_HEADER_BYTES = 12
_A, _IN = b"\x00\x01", b"\x00\x01"


class DnsServer:
    """Answers with A records for `addresses`, which can be changed; each may be kept for 0 s."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = list(addresses)
        self._is_closing = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._socket.settimeout(_POLL_SECONDS)
        self.address = f"{LOOPBACK}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._is_closing.set()
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while not self._is_closing.is_set():
            with contextlib.suppress(TimeoutError):
                query, client = self._socket.recvfrom(512)
                self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        """Return the response to a query of one question (RFC 1035, section 4)."""
        end = query.index(b"\x00", _HEADER_BYTES) + 5  # of the name, its type and its class
        records = b"".join(
            b"\xc0\x0c" + _A + _IN + bytes(4) + b"\x00\x04" + socket.inet_aton(address)
            for address in self.addresses
        )
        counts = b"\x00\x01" + len(self.addresses).to_bytes(2) + bytes(4)
        return query[:2] + b"\x81\x80" + counts + query[_HEADER_BYTES:end] + records


@contextlib.contextmanager
def dns_server(*addresses: str) -> Iterator[DnsServer]:
    """Run a DNS server that gives these addresses to every name."""
    server = DnsServer(addresses)
    try:
        yield server
    finally:
        server.close()
