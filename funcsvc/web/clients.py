"""The connection that a request came by, below HTTP: is the client there, has it got everything?

The server gives its socket as `gunicorn.socket`. Without one, as under Flask's own test client, a
client is there and gets everything.
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
"""How long what was sent may wait for the client's machine without any progress."""

MAX_DELIVERY_SECONDS = 30


class ClientConnection:
    """The connection of one request."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._socket: socket.socket | None = environ.get("gunicorn.socket")

    @property
    def is_raw(self) -> bool:
        """Whether bytes can be sent past HTTP."""
        return self._socket is not None

    def is_gone(self) -> bool:
        """Tell whether the client has closed or reset the connection.

        What it may have sent behind its request doesn't hide that, as it would from a look at the
        next byte.
        """
        return self._events(select.POLLRDHUP, 0) != 0

    def has_delivered(self) -> bool:
        """Tell whether the client's machine has acknowledged every byte, waiting a while for that.

        A client that closes once it has read everything is no failure; a reset connection is.
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
        """Send bytes past HTTP; raises OSError."""
        assert self._socket is not None
        self._socket.sendall(data)

    def end_sending(self) -> None:
        """Say that nothing more will come; the server can't send anything afterwards either."""
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_WR)

    def _pause(self, pause_ms: int) -> None:
        """Wait a moment, or less: the client's next request brings its acknowledgement along."""
        if self._events(select.POLLIN, pause_ms) and self._unsent_bytes():
            self._events(0, pause_ms)

    def _events(self, wanted: int, timeout_ms: int) -> int:
        """Return which of the wanted events there are; those of a broken connection always are."""
        if self._socket is None:
            return 0
        poll = select.poll()
        poll.register(self._socket, wanted)
        return next((events for _, events in poll.poll(timeout_ms)), 0)

    def _unsent_bytes(self) -> int:
        """Return how much of what was written waits for an acknowledgement (SIOCOUTQ, tcp(7))."""
        if self._socket is None:
            return 0
        answer = fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0" * 4)
        (unsent,) = struct.unpack("i", answer)
        return int(unsent)
