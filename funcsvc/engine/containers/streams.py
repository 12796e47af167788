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


PIECE_BYTES = 16 * 1024
"""In what pieces the engine logs a line that is longer."""


class LogMender:
    """Gives the lines of a log back the ends that some engines lose.

    A line of more than PIECE_BYTES is logged in pieces, and the `local` driver of Docker 20.10
    gives back the last of them without its newline. Each frame of a log is a piece or a line;
    behind a whole piece without a newline comes the rest of its line, and a newline ends that,
    whether it is there or not. The log is to be asked for with timestamps, which stand first in
    each frame: without them, a rest that is empty would get no frame.
    """

    def __init__(self) -> None:
        self._frames = _WholeFrames()
        self._within_line = {1: False, 2: False}

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield stream and content of what has come, a frame at a time."""
        for stream, content in self._frames.feed(data):
            yield stream, self._mended(stream, content.partition(b" ")[2])

    def _mended(self, stream: int, content: bytes) -> bytes:
        has_end = content.endswith(b"\n")
        is_piece = len(content) == PIECE_BYTES and not has_end
        is_rest = self._within_line.get(stream, False) and not is_piece
        self._within_line[stream] = is_piece
        return content + b"\n" if is_rest and not has_end else content


class _WholeFrames:
    """The engine's frames, each given on when it is whole; a log's are never much over a piece."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        self._buffer += data
        at = 0
        while len(self._buffer) >= at + _HEADER.size:
            stream, size = _HEADER.unpack_from(self._buffer, at)
            end = at + _HEADER.size + size
            if len(self._buffer) < end:
                break
            yield stream, self._buffer[at + _HEADER.size : end]
            at = end
        self._buffer = self._buffer[at:]
