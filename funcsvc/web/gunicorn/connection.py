"""A client's connection, read by the loop that serves all of them."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import Any

from gunicorn.workers.gthread import TConn

from funcsvc.web.client_socket import ClientSocket
from funcsvc.web.gunicorn.arrival import ArrivingRequests

READ_BYTES = 64 * 1024


class Connection(TConn):
    """A client's connection. Reading it never waits; its `timeout` is a time of the clock."""

    def __init__(self, cfg: Any, sock: ClientSocket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.parser = ArrivingRequests(cfg, client)
        self.initialized = True  # so that gunicorn's own preparations, which wait, are left out

    def receive(self) -> int:
        """Take what has arrived, and return its length. Raises OSError and EOFError.

        After EOFError the client sends no more, and there is nothing to answer.
        """
        data = self._read()
        if data == b"":
            self.parser.end()
        elif data:
            self.parser.feed(data)
            self.send_continue()
        return len(data or b"")

    def send_continue(self) -> None:
        """Tell the client to send a body, if it waits for that."""
        if self.parser.take_continue():
            self._send_if_there_is_room(b"HTTP/1.1 100 Continue\r\n\r\n")

    def has_room(self) -> bool:
        """Tell whether a short answer can be written, or fails, without waiting for the client."""
        return bool(self.sock.events(select.POLLOUT, 0))

    def discard(self) -> bool:
        """Discard what has arrived. Return whether more can come. Raises OSError."""
        return self._read() != b""

    def end_sending(self) -> bool:
        """End the answer. Return whether the client might still be sending, even another request.

        Closing with unread data would reset the connection, and the answer could be lost.
        """
        if self.sock.was_cut or self.sock.fileno() < 0:
            return False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            return True
        return False

    def close(self, graceful: bool = False) -> None:
        """Close at once: gunicorn would linger in the loop that serves all connections."""
        if self.sock.was_cut:
            with contextlib.suppress(OSError):
                self.sock.reset_when_closed()
        super().close(graceful=False)

    def _send_if_there_is_room(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
            self.sock.send(data)

    def _read(self) -> bytes | None:
        """Return what has arrived, nothing if the client has ended sending, None if it waits."""
        try:
            data: bytes = self.sock.recv(max(READ_BYTES, self.parser.missing()))
            while self.cfg.is_ssl and self.sock.pending():
                data += self.sock.recv(READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        return data
