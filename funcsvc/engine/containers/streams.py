"""A container's output as the engine sends it: frames of standard output and standard error."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">BxxxL")


class Demultiplexer:
    """Takes the engine's frames apart as they arrive: 1 is standard output, 2 standard error.

    Keeps at most a header; the content of a frame is passed on as it arrives. Source: Docker Engine
    API, `POST /containers/{id}/attach`, "Stream format".
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the stream and the content of what has arrived."""
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
"""The size of the pieces in which the engine logs a longer line."""


class LogMender:
    """Restores the newlines that some engines lose from logs.

    A line longer than PIECE_BYTES is logged in pieces, and the `local` driver of Docker 20.10 loses
    the newline of the last piece. Each frame of a log is a line or a piece of one. A full piece
    without a newline is followed by another piece of its line; if that isn't full, it is the last
    one and ends with a newline, whether or not the log has it. The log must be requested with
    timestamps, which begin each frame: without them, an empty last piece would get no frame.
    """

    def __init__(self) -> None:
        self._frames = _WholeFrames()
        self._within_line = {1: False, 2: False}

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the stream and the content of what has arrived, one frame at a time."""
        for stream, content in self._frames.feed(data):
            yield stream, self._mended(stream, content.partition(b" ")[2])

    def _mended(self, stream: int, content: bytes) -> bytes:
        has_end = content.endswith(b"\n")
        is_piece = len(content) == PIECE_BYTES and not has_end
        is_rest = self._within_line.get(stream, False) and not is_piece
        self._within_line[stream] = is_piece
        return content + b"\n" if is_rest and not has_end else content


class _WholeFrames:
    """The engine's frames, each passed on once it is whole. A log's are little over a piece."""

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
