"""A client that can send any bytes, and reads answers with a deadline."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import struct
import time
from types import TracebackType

from dev.servers import LOOPBACK, PATIENCE_SECONDS, Answer


class RawClient:
    """One connection. Answers are read in order; nothing is sent on its own."""

    def __init__(self, port: int, receive_bytes: int | None = None) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(PATIENCE_SECONDS)
        if receive_bytes is not None:  # set before connecting, or the window is larger
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.connect((LOOPBACK, port))
        self._file = self._socket.makefile("rb")
        self._sent_at = time.monotonic()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self._sent_at = time.monotonic()
        self._socket.sendall(data)

    def end_sending(self) -> None:
        """Close the writing side, and go on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Make closing reset the connection."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def line(self) -> bytes:
        """Return the next line."""
        return self._file.readline()

    def answer(self) -> Answer:
        """Return the next answer. Its `seconds` count from the last bytes sent."""
        response = http.client.HTTPResponse(_Readable(self._file))  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        return Answer(response.status, response.headers, body, time.monotonic() - self._sent_at)

    def has_answer(self, seconds: float) -> bool:
        """Tell whether bytes, or the end of the connection, arrive within some seconds."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def is_closed(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Tell whether the service closes the connection within some seconds."""
        if not self.has_answer(seconds):
            return False
        with contextlib.suppress(ConnectionResetError):
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        return True


class _Readable:
    """A socket as HTTPResponse needs it: its file stays open for the next answer."""

    def __init__(self, file: object) -> None:
        self._file = file

    def makefile(self, mode: str) -> object:
        return _Unclosable(self._file)


class _Unclosable:
    def __init__(self, file: object) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def close(self) -> None:
        """Leave the file open."""
