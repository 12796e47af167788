"""A client's connection: each request has one deadline, and no thread waits for its first byte."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from gunicorn.http.errors import (
    ParseException,
)
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

from funcsvc.web.gunicorn.message import Request

WRITE_TIMEOUT_SECONDS = 30
"""How long one write to a client may make no progress."""


LINGER_SECONDS = 1
"""How long to discard what a client still sends, after an answer that ends the connection."""


class DeadlineUnreader(SocketUnreader):
    """The source of gunicorn's requests, each with one deadline from its first byte to its last.

    gunicorn's own reads have no deadline: a client that stalls, or sends a byte now and then,
    would hold its thread for ever.
    """

    def __init__(self, conn: Connection) -> None:
        super().__init__(conn.sock)
        self._conn = conn

    def chunk(self, size_hint: int | None = None) -> Any:
        seconds = self._conn.request_end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("a request did not arrive in time")
        shorter = self.sock.gettimeout()  # set by gunicorn while it drains a body
        self.sock.settimeout(seconds if shorter is None else min(seconds, shorter))
        try:
            return super().chunk(size_hint)
        finally:
            self.sock.settimeout(WRITE_TIMEOUT_SECONDS)


class Connection(TConn):
    """A client's connection. `request_end` is the deadline of its current request."""

    request_end = 0.0

    def init(self) -> None:
        """Prepare for the first request."""
        if not self.initialized:
            super().init()
            self.parser.unreader = DeadlineUnreader(self)
            self.parser.mesg_class = Request

    def linger(self) -> None:
        """End the answer, and for a moment discard what is still coming of the request.

        Closing with unread data would reset the connection, and the answer could be lost.
        """
        with contextlib.suppress(OSError, ParseException):
            self.sock.shutdown(socket.SHUT_WR)
            if self._is_read_whole() or time.monotonic() > self.request_end:
                return
            end = time.monotonic() + LINGER_SECONDS
            while (seconds := end - time.monotonic()) > 0:
                self.sock.settimeout(seconds)
                if not self.sock.recv(65536):
                    return

    def close(self, graceful: bool = False) -> None:
        """Close at once: gunicorn would linger in the loop that serves all connections."""
        super().close(graceful=False)

    def _is_read_whole(self) -> bool:
        if self.parser is None or self.parser.mesg is None:
            return False  # it never was a request
        return bool(self.parser.finish_body(deadline=time.monotonic() + 0.01))
