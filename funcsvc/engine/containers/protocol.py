"""The starter's protocol: the frame that it waits for, and the marks in what comes out of it.

Pure. docs/starter.md has the whole of it; `starter.c` is the other side.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MAGIC = b"FSV1"
MAX_FRAME_BYTES = 4 * 1024 * 1024
FLAG_TERMINAL = 1

MARK_BYTES = 44
"""The nonce, a space, the kind, a space, eight digits, a newline."""

STDOUT, STDERR = 1, 2

_NUMBER = struct.Struct(">I")
_NONCE = re.compile(r"[0-9a-fA-F]{32}")


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
    if not _NONCE.fullmatch(nonce):
        raise ValueError("a nonce is 32 hexadecimal digits")
    if not words:
        raise ValueError("a frame needs a command")
    if any(variable.find(b"=") < 1 for variable in environment):
        raise ValueError("a variable is NAME=value")
    parts = (
        nonce.encode(),
        _NUMBER.pack(FLAG_TERMINAL if terminal else 0),
        _strings(environment),
        _strings([word.encode("utf-8", "surrogateescape") for word in words]),
        _NUMBER.pack(len(payload)),
        payload,
    )
    length = sum(map(len, parts))
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame has at most {MAX_FRAME_BYTES} bytes")
    return b"".join((MAGIC, _NUMBER.pack(length), *parts))  # a payload is large: one copy


def _strings(strings: Sequence[bytes]) -> bytes:
    if any(b"\0" in string for string in strings):
        raise ValueError("no string of a frame may hold a NUL")
    return _NUMBER.pack(len(strings)) + b"".join(map(_sized, strings))


def _sized(part: bytes) -> bytes:
    return _NUMBER.pack(len(part)) + part


class Mark(Enum):
    """The kinds of marks, by the letter that stands in them; `starter.h` has the same."""

    BEGUN = "B"
    EXITED = "X"
    KILLED = "S"
    OUT_OF_MEMORY = "O"
    NOT_FOUND = "P"
    NOT_EXECUTABLE = "N"
    STARTER_FAILED = "F"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended, as its final mark says.

    The number is an exit status, a signal or an errno, as docs/starter.md has it for each kind.
    """

    kind: Mark
    number: int


_FINAL = "".join(mark.value for mark in Mark if mark is not Mark.BEGUN).encode()


class OutputReader:
    """Takes the marks out of a container's output as it comes, in linear time and bounded memory.

    Of standard output it keeps `max_output_bytes`, of standard error `short_bytes`, and of each
    what may become a mark.
    """

    def __init__(self, nonce: str, max_output_bytes: int, short_bytes: int = 255) -> None:
        self._first = f"{nonce} {Mark.BEGUN.value} {0:08d}\n".encode()
        self._head = b""
        self._out = _Stream(nonce, max_output_bytes)
        self._err = _Stream(nonce, short_bytes)
        self.begun = False
        """Whether standard output begins with the first mark: the command was started."""
        self.is_garbled = False
        """Whether it begins with anything else: the beginning is lost, and nothing is kept."""

    def feed(self, stream: int, data: bytes) -> None:
        """Take what has come of a stream: 1 is standard output, 2 standard error."""
        if stream == STDERR:
            self._err.feed(data)
        elif stream == STDOUT and (self.begun or self.is_garbled):
            self._out.feed(data)
        elif stream == STDOUT:
            self._feed_head(data)

    @property
    def ending(self) -> Ending | None:
        """How the command ended, once both streams have said so."""
        return self._out.ending if self._err.ending else None

    @property
    def stdout(self) -> bytes:
        """What the command has printed, up to `max_output_bytes`."""
        return b"" if self.is_garbled else self._out.kept

    @property
    def short_stderr(self) -> bytes:
        """The beginning of what it has printed as errors."""
        return self._err.kept

    @property
    def is_too_large(self) -> bool:
        """Whether the command has certainly printed more than `max_output_bytes`."""
        return self._out.has_more and not self.is_garbled

    def _feed_head(self, data: bytes) -> None:
        missing = MARK_BYTES - len(self._head)
        self._head += data[:missing]
        if self._head == self._first:
            self.begun = True
            self._out.feed(data[missing:])
        elif not self._first.startswith(self._head):
            self.is_garbled = True
            self._out.feed(self._head + data[missing:])


class _Stream:
    """One stream up to its final mark, of which the first `max_bytes` are kept."""

    def __init__(self, nonce: str, max_bytes: int) -> None:
        self._nonce = nonce.encode()
        self._mark = re.compile(rb"%b ([%b]) ([0-9]{8})\n" % (self._nonce, _FINAL))
        self._example = f"{nonce} {Mark.EXITED.value} {0:08d}\n".encode()
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self._held_back = b""
        self.has_more = False
        self.ending: Ending | None = None

    @property
    def kept(self) -> bytes:
        """What there is of it. What may become a mark belongs to it as long as it hasn't."""
        return (bytes(self._kept) + self._held_back)[: self._max_bytes]

    def feed(self, data: bytes) -> None:
        """Take more; what comes after the mark is dropped."""
        if self.ending:
            return
        window = self._held_back + data
        at = window.find(self._nonce)  # several times as fast as the pattern, which is rarely there
        mark = self._mark.search(window, at) if at >= 0 else None
        if mark:
            self.ending = Ending(Mark(mark[1].decode()), int(mark[2]))
        end = mark.start() if mark else self._find_beginning(window)
        self._held_back = b"" if mark else window[end:]
        self._keep(window, end)

    def _find_beginning(self, window: bytes) -> int:
        """Return where at the window's end a mark may begin, which is its length if none may."""
        start = len(window) - MARK_BYTES + 1
        at = window.find(self._example[:1], max(0, start))
        while at >= 0 and not self._may_begin(window[at:]):
            at = window.find(self._example[:1], at + 1)
        return len(window) if at < 0 else at

    def _may_begin(self, part: bytes) -> bool:
        return bool(self._mark.fullmatch(part + self._example[len(part) :]))

    def _keep(self, window: bytes, count: int) -> None:
        room = self._max_bytes - len(self._kept)
        self._kept += window[: min(count, room)]
        self.has_more = self.has_more or count > room
