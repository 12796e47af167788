"""Requests as their bytes arrive, so that a request gets a thread only once it is whole."""

from __future__ import annotations

import io
from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import LimitRequestHeaders, ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import Unreader

from funcsvc.model import MAX_PAYLOAD_BYTES
from funcsvc.web.gunicorn.chunks import ChunkScan
from funcsvc.web.gunicorn.message import Request

MAX_HEAD_BYTES = 128 * 1024

SPARE_BYTES = 64 * 1024
"""How far beyond the limit a chunked body is read, since the view's reader reads ahead."""

MAX_DISCARDED_BYTES = 64 * 1024
"""How much of a body that the view hasn't read is discarded, so that the connection is kept."""

PIECE_BYTES = 8 * 1024
"""What gunicorn's reader of chunks gets at once: it copies all of it for each chunk."""

_FIRST_TRY_BYTES = 8 * 1024


class StillArriving(Exception):
    """Raised to gunicorn's parser when it asks for bytes that haven't arrived."""


class TooMuchArriving(Exception):
    """Raised for a request that had to be dropped because too many bytes were arriving."""


class TooMuchFraming(Exception):
    """Raised for a chunked body whose chunks are too small, or have too much between them."""


class ArrivedBytes(Unreader):
    """The source of gunicorn's parser: what has arrived. Reading never waits, and never copies
    what is left: `buf` is read from its position on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_end: type[Exception] | None = StillArriving

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        position = self.buf.tell()
        self.buf.seek(0, io.SEEK_END)
        self.buf.write(data)
        self.buf.seek(position)

    def count(self) -> int:
        """Return how many bytes haven't been read."""
        return self.buf.getbuffer().nbytes - self.buf.tell()

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """Return `size` bytes, or less at the end; without a size, a piece of what is there."""
        if self.count() < (1 if size is None else size):
            self.chunk()
        return self.buf.read(max(PIECE_BYTES, read_ahead or 0) if size is None else size)

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be read first."""
        self.buf = io.BytesIO(data + self.take_buffered())

    def take_buffered(self) -> bytes:
        """Take all that hasn't been read."""
        data, self.buf = self.buf.read(), io.BytesIO()
        return data

    def chunk(self, size_hint: int | None = None) -> Any:
        """Return no bytes if the client will send no more, and raise otherwise."""
        if self.at_end is not None:
            raise self.at_end("the rest of the request has not arrived")
        return b""


class ArrivingRequests(RequestParser):
    """gunicorn's parser of the requests on one connection, one after the other.

    `is_ready` says that a thread can serve the current one. It is then whole, or the rest wouldn't
    change the answer: an error is found, the body is too large, or the rest doesn't come.
    """

    def __init__(self, cfg: Any, address: Any) -> None:
        super().__init__(cfg, (), address)
        self.unreader = ArrivedBytes()
        self._reset()

    def _reset(self) -> None:
        self.mesg: Request | None = None
        self.is_ready = self.is_whole = False
        self.count = 0
        self._error: Exception | None = None
        self._expects_continue = False
        self._chunks: ChunkScan | None = None
        self._seen = b""
        self._next_try = _FIRST_TRY_BYTES
        self.unreader.at_end = StillArriving

    def begin_next(self) -> None:
        """Begin the next request, with what was sent ahead of it."""
        ahead = self.unreader.take_buffered()
        self._reset()
        if ahead:
            self.feed(ahead)

    def feed(self, data: bytes) -> None:
        """Take bytes that have arrived."""
        self.count += len(data)
        self.unreader.feed(data)
        if self.mesg is not None:
            self._follow_body(data)
        elif self._could_have_head(data):
            self._try_head()

    def missing(self) -> int:
        """Return how many bytes of a body are waited for, as far as its head says."""
        if self.mesg is None or self.is_ready or self._chunks is not None:
            return 0
        return int(self.mesg.body.reader.length) - self.unreader.count()

    def take_continue(self) -> bool:
        """Tell, once, whether the client waits for a 100 before it sends its body."""
        expects, self._expects_continue = self._expects_continue, False
        return expects and not self.is_ready

    def end(self) -> None:
        """Note that the client will send no more. Raises EOFError if that leaves no request."""
        if self.mesg is None:
            raise EOFError
        self.unreader.at_end = None
        self.is_ready = True

    def give_up(self, error: Exception | None = None) -> None:
        """Expect no more of the request, which is to be served as it is, or to fail."""
        self._error = error or self._error
        self.unreader.at_end = TimeoutError
        self.is_ready = True

    def drop(self, error: Exception) -> int:
        """Let the request fail, free what has arrived of it, and return how much that was."""
        self.give_up(error)
        self.unreader.take_buffered()
        freed, self.count = self.count, 0
        return freed

    def __next__(self) -> Any:
        """Return the request that has arrived, or raise what is wrong with it."""
        if self.unreader.at_end is StillArriving:
            self.unreader.at_end = TimeoutError
        if self._error is not None:
            raise self._error
        if self.mesg is not None and not self.is_whole:
            self.mesg.force_close()
        return self.mesg

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Discard what the view hasn't read of a body. Return whether the next request can follow.

        It can't if that is much, or if anything is wrong with it.
        """
        if not self.is_whole or self._unread_bytes() > MAX_DISCARDED_BYTES:
            return False
        try:
            return bool(super().finish_body(deadline, max_bytes))
        except ParseException:
            return False

    def _unread_bytes(self) -> int:
        """Return how much of a whole body the view has left, at the most."""
        assert self.mesg is not None
        reader = self.mesg.body.reader
        if isinstance(reader, LengthReader):
            return int(reader.length)
        return self.unreader.count() if reader.parser else 0

    def _could_have_head(self, data: bytes) -> bool:
        """Tell whether it is worth parsing: a blank line has come, or twice as much as before."""
        seen, self._seen = self._seen + data, (self._seen + data)[-3:]
        return b"\r\n\r\n" in seen or b"\n\n" in seen or self.count >= self._next_try

    def _try_head(self) -> None:
        arrived = self.unreader.buf.getvalue()
        try:
            self.mesg = Request(self.cfg, self.unreader, self.source_addr, self.req_count + 1)
        except StillArriving:
            self.unreader.buf = io.BytesIO(arrived)
            self._next_try = min(2 * len(arrived), MAX_HEAD_BYTES + 1)
            if len(arrived) > MAX_HEAD_BYTES:
                self.give_up(LimitRequestHeaders("max buffer headers"))
        except Exception as error:  # noqa: BLE001  # the thread raises it, where gunicorn answers
            self.give_up(error)
        else:
            self.req_count += 1
            self._begin_body()

    def _begin_body(self) -> None:
        assert self.mesg is not None
        self._expects_continue = self.mesg.take_expectation()
        if isinstance(self.mesg.body.reader, ChunkedReader):
            self._chunks = ChunkScan(MAX_PAYLOAD_BYTES + SPARE_BYTES)
            self._follow_body(self.unreader.buf.getvalue())
        else:
            self._follow_body(b"")

    def _follow_body(self, data: bytes) -> None:
        assert self.mesg is not None
        if self._chunks is not None:
            self._chunks.feed(data)
            self.is_whole = self._chunks.is_over
            self.is_ready = self.is_whole or self._chunks.is_hopeless
            if self._chunks.has_too_much_framing:
                self.give_up(TooMuchFraming())
        else:
            reader: LengthReader = self.mesg.body.reader
            self.is_whole = self.unreader.count() >= reader.length
            self.is_ready = self.is_whole or reader.length > MAX_PAYLOAD_BYTES
