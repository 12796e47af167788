"""Answers that are produced while they are being sent."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

from funcsvc.model.errors import StoreUnavailable

PIECE_BYTES = 32 * 1024

_log = logging.getLogger("funcsvc.api")


def streamed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Produce the first piece now, so that its error can be answered, and return all pieces.

    A later failure breaks the connection, so that the client knows that something is missing.
    """
    return _cut_at_failure(next(pieces, b""), pieces)


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
        # the server takes this for a client that left: it closes, and logs no trace
        raise BrokenPipeError(errno.EPIPE, "the answer was cut short") from error
