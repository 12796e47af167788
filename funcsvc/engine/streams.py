"""The streams of a container, as the engine sends them: frames of standard output and error."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">BxxxL")


class Demultiplexer:
    """Takes the engine's frames apart as they come: 1 is standard output, 2 standard error.

    Keeps no more than a header: what comes of a frame's content is given on at once. Source: Docker
    Engine API, `POST /containers/{id}/attach`, "Stream format".
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield stream and content of what has come."""
        at = 0
        while at < len(data):
            if self._left:
                content = data[at : at + self._left]
                self._left -= len(content)
                at += len(content)
                yield self._stream, content
                continue
            missing = _HEADER.size - len(self._header)
            self._header += data[at : at + missing]
            at += missing
            if len(self._header) == _HEADER.size:
                self._stream, self._left = _HEADER.unpack(self._header)
                self._header = b""
