"""The starter's protocol: the frame that it waits for, and the marks in its output.

Does no I/O. docs/starter.md describes the protocol; `starter.c` is the other side of it.
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
    """Return a frame. Raises ValueError for anything that a frame can't hold.

    `nonce` is 32 hexadecimal digits, `words` is the command with its arguments, and `environment`
    has items like `NAME=value`.
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
    return b"".join((MAGIC, _NUMBER.pack(length), *parts))  # copies a large payload once


def _strings(strings: Sequence[bytes]) -> bytes:
    if any(b"\0" in string for string in strings):
        raise ValueError("no string of a frame may hold a NUL")
    return _NUMBER.pack(len(strings)) + b"".join(map(_sized, strings))


def _sized(part: bytes) -> bytes:
    return _NUMBER.pack(len(part)) + part


class Mark(Enum):
    """The kinds of marks, each with its letter. They are the same as in `starter.h`."""

    BEGUN = "B"
    EXITED = "X"
    KILLED = "S"
    OUT_OF_MEMORY = "O"
    NOT_FOUND = "P"
    NOT_EXECUTABLE = "N"
    STARTER_FAILED = "F"
    ENDED_FROM_OUTSIDE = "E"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended, as its final mark says.

    The number is an exit status, a signal or an errno; docs/starter.md says which for each kind.
    """

    kind: Mark
    number: int


_FINAL = "".join(mark.value for mark in Mark if mark is not Mark.BEGUN).encode()


class OutputReader:
    """Takes the marks out of a container's output as it arrives, in linear time and bounded memory.

    It keeps `max_output_bytes` of standard output, `short_bytes` of standard error and of its last
    line, and at the end of each stream the bytes that might become a mark.
    """

    def __init__(self, nonce: str, max_output_bytes: int, short_bytes: int = 255) -> None:
        self._first = f"{nonce} {Mark.BEGUN.value} {0:08d}\n".encode()
        self._head = b""
        self._out = _Stream(nonce, max_output_bytes)
        self._err = _ErrorStream(nonce, short_bytes)
        self.begun = False
        """Whether standard output begins with the first mark, so the command might have run."""
        self.is_garbled = False
        """Whether it begins with anything else: its beginning is lost, so none of it counts."""

    def feed(self, stream: int, data: bytes) -> None:
        """Take what has arrived on a stream: 1 is standard output, 2 standard error."""
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
        """The command's standard output, up to `max_output_bytes`."""
        return b"" if self.is_garbled else self._out.kept

    @property
    def short_stderr(self) -> bytes:
        """The beginning of the command's standard error."""
        return self._err.kept

    @property
    def last_error_line(self) -> bytes:
        """The beginning of the last line of standard error that isn't blank, without its end."""
        return self._err.last_line

    @property
    def is_too_large(self) -> bool:
        """Whether the command is certain to have printed more than `max_output_bytes`."""
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
        """The kept bytes, including those that might become a mark but haven't yet."""
        return (bytes(self._kept) + self._held_back)[: self._max_bytes]

    def feed(self, data: bytes) -> None:
        """Take more of the stream. Anything after the final mark is dropped."""
        if self.ending:
            return
        window = self._held_back + data
        at = window.find(self._nonce)  # several times as fast as searching for the pattern
        mark = self._mark.search(window, at) if at >= 0 else None
        if mark:
            self.ending = Ending(Mark(mark[1].decode()), int(mark[2]))
        end = mark.start() if mark else self._find_beginning(window)
        self._held_back = b"" if mark else window[end:]
        self._keep(window, end)

    def _find_beginning(self, window: bytes) -> int:
        """Return where a mark might begin at the window's end, or the window's length."""
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


class _ErrorStream(_Stream):
    """A stream of which the beginning of the last line is kept too."""

    def __init__(self, nonce: str, max_bytes: int) -> None:
        super().__init__(nonce, max_bytes)
        self._whole_line = self._line = b""

    @property
    def last_line(self) -> bytes:
        """The beginning of the last line that isn't blank, with what might become a mark."""
        whole, line = self._with_more(self._held_back)
        return (line or whole).rstrip()

    def _keep(self, window: bytes, count: int) -> None:
        super()._keep(window, count)
        self._whole_line, self._line = self._with_more(window[:count])

    def _with_more(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the last whole line that isn't blank, and the line that has no end yet."""
        at = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        whole, lines = self._whole_line, data[:at].rstrip()
        begins = max(lines.rfind(b"\n"), lines.rfind(b"\r")) + 1
        if at:
            whole = self._begun(self._line if not begins else b"", lines[begins:]) or whole
        return whole, self._begun(b"" if at else self._line, data[at:])

    def _begun(self, line: bytes, more: bytes) -> bytes:
        return (line + more).lstrip()[: self._max_bytes]
