"""Answers that are produced while they are being sent."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

from flask import Response, request

from funcsvc.model.errors import StoreUnavailable
from funcsvc.web.clients import ClientConnection

PIECE_BYTES = 32 * 1024

SHORT_BYTES = 64 * 1024
"""An answer up to here fits into the kernel's buffer, so that no thread waits for its client."""

_log = logging.getLogger("funcsvc.api")


def streamed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Produce the first piece now, so that its error can be answered, and return all pieces.

    A later failure breaks the connection, so that the client knows that something is missing.
    """
    return _cut_at_failure(next(pieces, b""), pieces)


def streamed_in_place(pieces: Iterator[bytes], client: ClientConnection) -> Iterator[bytes]:
    """Stream `joined` pieces; if the first isn't the last, the request takes a place.

    A request without a place costs no more than that piece. Raises TooManyWaits.
    """
    first = next(pieces, b"")
    if len(first) >= PIECE_BYTES:
        client.take_place()
    else:
        next(pieces, b"")  # the end, or the failure that has cut the first piece short
    return _cut_at_failure(first, pieces)


def take_place(response: Response) -> Response:
    """Take a place for a long answer of known length, unless it tells of a change.

    For use after each request. Raises TooManyWaits.
    """
    if request.method == "GET" and (response.content_length or 0) > SHORT_BYTES:
        ClientConnection(request.environ).take_place()
    return response


def joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces into larger ones, to save writes. Those before a failure are kept."""
    batch = bytearray()
    try:
        for piece in pieces:
            batch += piece
            if len(batch) >= PIECE_BYTES:
                yield bytes(batch)
                batch.clear()
    except StoreUnavailable:
        yield bytes(batch)
        raise
    yield bytes(batch)


def _cut_at_failure(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    try:
        yield from rest
    except StoreUnavailable as error:
        _log.warning("An answer was cut short: %s", error.message)
        raise _cut() from error
    except Exception as error:
        _log.exception("An answer was cut short by an unexpected error.")
        raise _cut() from error


def _cut() -> OSError:
    """Return what the server takes for a client that left: it resets the connection."""
    return BrokenPipeError(errno.EPIPE, "the answer was cut short")
