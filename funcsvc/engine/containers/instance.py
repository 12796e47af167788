"""One container that waits for its frame, and the connection attached to it."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Any

from funcsvc.engine.connection import StreamClient
from funcsvc.engine.containers.protocol import OutputReader
from funcsvc.engine.containers.streams import Demultiplexer
from funcsvc.model import Func, Image, InstanceKind

READ_BYTES = 256 * 1024


_KEEP_ALIVE = (
    (socket.TCP_KEEPIDLE, 20),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
)
"""After 20 seconds of silence, a host is probed three times, every 5 seconds."""


class StreamBroken(Exception):
    """Raised when an instance's stream ends before its call. The container might still run."""


class AttachedInstance:
    """An Instance with its own connection to the container."""

    def __init__(self, name: str, func: Func, image: Image) -> None:
        self.name = name
        self.func = func
        self.image = image
        self.kind = InstanceKind.NEW
        self._client: StreamClient | None = None
        self._socket: socket.socket | None = None
        self._response: Any = None
        self._frames = Demultiplexer()

    def attach(self, client: StreamClient) -> None:
        """Attach before the container prints anything, since docker-py loses early output."""
        self._client = client
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached: Any = client.attach_socket(self.name, params)
        self._socket = getattr(attached, "_sock", attached)
        self._response = getattr(attached, "_response", None)
        assert self._socket is not None
        keep_alive(self._socket)

    def send(self, frame: bytes, seconds: float) -> None:
        assert self._socket is not None
        try:
            self._socket.settimeout(seconds)  # for the whole sendall
            self._socket.sendall(frame)
        except OSError as error:
            raise StreamBroken("its frame could not be sent whole") from error

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        assert self._socket is not None
        try:
            if not _is_readable(self._socket, seconds):
                return True
            data = self._socket.recv(READ_BYTES)
        except OSError as error:
            raise StreamBroken("its connection broke") from error
        if not data:
            raise StreamBroken("its stream ended")
        for stream, content in self._frames.feed(data):
            reader.feed(stream, content)
        return True

    def has_ended(self) -> bool:
        """Since a waiting starter prints nothing, a readable stream has ended."""
        return self._socket is None or _is_readable(self._socket, 0)

    def close(self) -> None:
        with suppress(OSError):
            if self._socket is not None:
                self._socket.close()
        if self._client is not None:
            if self._response is not None:
                with suppress(OSError):
                    self._response.close()
            self._client.close()
        self._socket = self._client = None


def keep_alive(sock: socket.socket) -> None:
    """Allow any length of silence, but notice when the engine's host is gone."""
    sock.settimeout(None)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in _KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, seconds)


def _is_readable(sock: socket.socket, seconds: float) -> bool:
    pending = getattr(sock, "pending", None)  # bytes that TLS has already decrypted
    if pending is not None and pending():
        return True
    poller = select.poll()  # select can't take descriptors above 1023
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(max(0, seconds) * 1000))
