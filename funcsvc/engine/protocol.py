"""The starter's protocol: the frame that it waits for, and the marks in what comes out of it.

Pure. docs/starter.md has the whole of it; `starter.c` is the other side.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = b"FSV1"
MAX_FRAME_BYTES = 4 * 1024 * 1024
FLAG_TERMINAL = 1

MARK_BYTES = 44
"""The nonce, a space, the kind, a space, eight digits, a newline."""

STDOUT, STDERR = 1, 2
_NUMBER = struct.Struct(">I")


def make_frame(
    nonce: str,
    words: Sequence[str],
    environment: Sequence[bytes],
    payload: bytes,
    *,
    terminal: bool,
) -> bytes:
    """Return a frame; raises ValueError for what no frame can hold.

    `nonce` is 32 hexadecimal digits, `words` the command with its arguments, `environment` has
    `NAME=value`.
    """
    if not words:
        raise ValueError("a frame needs a command")
    body = b"".join(
        (
            nonce.encode("ascii"),
            _NUMBER.pack(FLAG_TERMINAL if terminal else 0),
            _strings(environment),
            _strings([word.encode("utf-8", "surrogateescape") for word in words]),
            _sized(payload),
        )
    )
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame has at most {MAX_FRAME_BYTES} bytes")
    return MAGIC + _sized(body)


def _strings(strings: Sequence[bytes]) -> bytes:
    if any(b"\0" in string for string in strings):
        raise ValueError("no string of a frame may hold a NUL")
    return _NUMBER.pack(len(strings)) + b"".join(map(_sized, strings))


def _sized(part: bytes) -> bytes:
    return _NUMBER.pack(len(part)) + part


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: `X` exited, `S` signal, `O` out of memory, `P` `N` `F` not run."""

    kind: str
    number: int


class OutputReader:
    """Takes the marks out of a container's output as it comes, in linear time and bounded memory.

    Of standard output it keeps `max_output_bytes` and what a mark may take, of standard error
    `short_bytes`.
    """

    def __init__(self, nonce: str, max_output_bytes: int, short_bytes: int = 255) -> None:
        self._first = f"{nonce} B {0:08d}\n".encode()
        self._out = _MarkFinder(nonce, max_output_bytes)
        self._err = _MarkFinder(nonce, short_bytes)
        self._head = bytearray()
        self.begun = False
        self.is_garbled = False
        """Whether standard output doesn't begin with the first mark: its beginning is lost."""

    def feed(self, stream: int, data: bytes) -> None:
        """Take what has come of a stream: 1 is standard output, 2 standard error."""
        if stream == STDERR:
            self._err.feed(data)
        elif self.begun:
            self._out.feed(data)
        elif not self.is_garbled:
            self._feed_head(data)

    @property
    def ending(self) -> Ending | None:
        """How the command ended, once both streams have said so."""
        return self._out.ending if self._err.ending else None

    @property
    def stdout(self) -> bytes:
        """What the command has printed; only as long as it isn't too large."""
        return self._out.kept()

    @property
    def short_stderr(self) -> bytes:
        """The beginning of standard error."""
        return self._err.kept()

    @property
    def is_too_large(self) -> bool:
        """Whether the command has certainly printed more than may be kept."""
        return self._out.has_more

    def _feed_head(self, data: bytes) -> None:
        missing = MARK_BYTES - len(self._head)
        self._head += data[:missing]
        if not self._first.startswith(self._head):
            self.is_garbled = True
        elif len(self._head) == MARK_BYTES:
            self.begun = True
            self._out.feed(data[missing:])


class _MarkFinder:
    """One stream up to its final mark: keeps the first `max_bytes`, and looks for the mark."""

    def __init__(self, nonce: str, max_bytes: int) -> None:
        self._nonce = nonce.encode()
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self._tail = b""
        self.has_more = False
        self.ending: Ending | None = None

    def feed(self, data: bytes) -> None:
        """Take more; what comes behind the mark is dropped."""
        if self.ending:
            return
        window = self._tail + data
        at = self._find(window)
        if at is None:
            self._keep(window)
            self._tail = b""
        elif len(window) - at < MARK_BYTES:
            self._keep(window[:at])
            self._tail = window[at:]
        else:
            self._keep(window[:at])
            self._tail = b""
            self.ending = _ending(window[at : at + MARK_BYTES])

    def kept(self) -> bytes:
        """Return what is kept of the stream; what may become a mark is not in it yet."""
        return bytes(self._kept)

    def _find(self, window: bytes) -> int | None:
        """Return where a mark begins, or may begin at the window's end."""
        at = window.find(self._nonce)
        if at >= 0:
            return at
        for size in range(min(len(self._nonce) - 1, len(window)), 0, -1):
            if window.endswith(self._nonce[:size]):
                return len(window) - size
        return None

    def _keep(self, content: bytes) -> None:
        room = self._max_bytes - len(self._kept)
        self.has_more = self.has_more or len(content) > room
        self._kept += content[: max(0, room)]


def _ending(mark: bytes) -> Ending:
    return Ending(chr(mark[33]), int(mark[35:43]))
