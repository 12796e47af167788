"""Finds the end of a chunked body (RFC 9112, 7.1) as it arrives, without keeping or decoding it."""

from __future__ import annotations

from collections.abc import Callable

MAX_LINE_BYTES = 64 * 1024


class ChunkScan:
    """Follows the chunks of one body. Whether they are well formed is for the decoder to say.

    `is_over` says that the end has come; `is_hopeless`, that it needn't be waited for: the body is
    malformed, or longer than `max_bytes`.
    """

    def __init__(self, max_bytes: int) -> None:
        self.is_over = self.is_hopeless = False
        self._bytes_left = max_bytes
        self._chunk_left = 0
        self._line = b""
        self._read_line: Callable[[bytes], None] = self._read_size

    def feed(self, data: bytes) -> None:
        """Take bytes that have arrived. What comes after the end is ignored."""
        at = 0
        while at < len(data) and not (self.is_over or self.is_hopeless):
            at = self._skip(data, at) if self._chunk_left else self._take_line(data, at)

    def _skip(self, data: bytes, at: int) -> int:
        count = min(self._chunk_left, len(data) - at)
        self._chunk_left -= count
        self._bytes_left -= count
        self.is_hopeless = self._bytes_left < 0
        return at + count

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        self._line += data[at:end] if end else data[at:]
        if end:
            line, self._line = self._line, b""
            self._read_line(line)
        self.is_hopeless = self.is_hopeless or len(self._line) > MAX_LINE_BYTES
        return end or len(data)

    def _read_size(self, line: bytes) -> None:
        try:
            self._chunk_left = int(line.partition(b";")[0], 16)
        except ValueError:
            self._chunk_left = -1
        if self._chunk_left < 0:
            self._chunk_left, self.is_hopeless = 0, True
        self._read_line = self._read_end_of_chunk if self._chunk_left else self._read_trailer

    def _read_end_of_chunk(self, line: bytes) -> None:
        self.is_hopeless = line != b"\r\n"
        self._read_line = self._read_size

    def _read_trailer(self, line: bytes) -> None:
        self.is_over = line == b"\r\n"
