"""A request's connection, below HTTP: whether the client is there, and what it has received.

The server passes the socket as `gunicorn.socket`. Without one, as with Flask's test client, the
client counts as connected, and as having received everything.
"""

from __future__ import annotations

import fcntl
import itertools
import select
import socket
import struct
import termios
import time
from collections.abc import Mapping
from typing import Any

DELIVERY_STANDSTILL_SECONDS = 2
"""How long to wait for a client's machine that acknowledges no more bytes."""

MAX_DELIVERY_SECONDS = 30


class ClientConnection:
    """The connection of one request."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    @property
    def is_raw(self) -> bool:
        """Whether bytes can be sent directly, bypassing HTTP."""
        return self._socket is not None

    def is_gone(self) -> bool:
        """Tell whether the client has closed or reset the connection.

        This works even if the client has sent more bytes after its request, which would hide it
        from a peek at the next byte.
        """
        return self._events(select.POLLRDHUP, 0) != 0

    def has_delivered(self) -> bool:
        """Wait a while for the client's machine to acknowledge every byte; tell whether it has.

        A client that closes after reading everything is not a failure; a reset connection is.
        """
        latest = time.monotonic() + MAX_DELIVERY_SECONDS
        end = time.monotonic() + DELIVERY_STANDSTILL_SECONDS
        unsent = self._unsent_bytes()
        for pause_ms in itertools.chain((1, 2, 4, 8, 16), itertools.repeat(32)):
            if self._events(0, 0):
                return False
            if not unsent or time.monotonic() > end:
                break
            self._pause(pause_ms)
            before, unsent = unsent, self._unsent_bytes()
            if unsent < before:
                end = min(latest, time.monotonic() + DELIVERY_STANDSTILL_SECONDS)
        return not unsent

    def send(self, data: bytes) -> None:
        """Send bytes directly, bypassing HTTP. Raises OSError."""
        assert self._socket is not None
        self._socket.sendall(data)

    def end_sending(self) -> None:
        """Shut down the sending side, so that the server can't send anything afterwards either."""
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_WR)

    def _pause(self, pause_ms: int) -> None:
        """Wait a moment, or less if a request arrives, since it carries an acknowledgement."""
        if self._events(select.POLLIN, pause_ms) and self._unsent_bytes():
            self._events(0, pause_ms)

    def _events(self, wanted: int, timeout_ms: int) -> int:
        """Return which wanted events have occurred. A broken connection is always reported."""
        if self._socket is None:
            return 0
        poll = select.poll()
        poll.register(self._socket, wanted)
        return next((events for _, events in poll.poll(timeout_ms)), 0)

    def _unsent_bytes(self) -> int:
        """Return how many of the written bytes aren't acknowledged yet (SIOCOUTQ, tcp(7))."""
        if self._socket is None:
            return 0
        answer = fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0" * 4)
        (unsent,) = struct.unpack("i", answer)
        return int(unsent)
