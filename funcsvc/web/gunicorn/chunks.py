"""Finds the end of a chunked body (RFC 9112, 7.1) as it arrives, without keeping or decoding it."""

from __future__ import annotations

SPARE_FRAMING_BYTES = 16 * 1024
FRAMING_SHARE = 8
"""Sizes, extensions, line ends and trailers may take an eighth of the data more than that.

Chunks of 50 bytes or more, such as short lines, always may. Smaller ones cost more than they bring.
"""

LINE_END_BYTES = len(b"\r\n")


class ChunkScan:
    """Follows the chunks of one body. Whether they are well formed is for the decoder to say.

    `is_over` says that the end has come; `is_hopeless`, that it needn't be waited for: the body is
    malformed, longer than `max_bytes`, or there is too much between its chunks.
    """

    def __init__(self, max_bytes: int) -> None:
        self.is_over = self.is_hopeless = self.has_too_much_framing = False
        self._bytes_left = max_bytes
        self._framing_left = SPARE_FRAMING_BYTES
        self._to_skip = 0
        self._line = b""
        self._is_at_trailers = False

    def feed(self, data: bytes) -> None:
        """Take bytes that have arrived. What comes after the end is ignored."""
        data, at = self._line + data, self._to_skip
        while at < len(data) and self._framing_left >= 0 and not (self.is_over or self.is_hopeless):
            end = data.find(b"\n", at) + 1
            if not end:
                break
            at = end + self._take_line(data[at:end])
        if not self.is_over:
            self._line, self._to_skip = data[at:], max(0, at - len(data))
            self._check_bounds()

    def _take_line(self, line: bytes) -> int:
        """Return how many bytes come before the next line: a chunk, and its line end."""
        self._framing_left -= len(line) + LINE_END_BYTES
        if self._is_at_trailers:
            self.is_over = line == b"\r\n"
            return 0
        size = _size_of(line)
        self.is_hopeless = size < 0 or self._bytes_left < 0
        self._is_at_trailers = size == 0
        self._bytes_left -= size
        self._framing_left += size // FRAMING_SHARE
        return size + LINE_END_BYTES if size > 0 else 0

    def _check_bounds(self) -> None:
        self.has_too_much_framing = len(self._line) > self._framing_left
        is_too_long = self._bytes_left + self._to_skip < 0
        self.is_hopeless = self.is_hopeless or self.has_too_much_framing or is_too_long


def _size_of(line: bytes) -> int:
    """Return the size of the chunk after a line, or -1 if the line is malformed."""
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        return -1
