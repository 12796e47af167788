"""Request bodies: read with a bound on size and time, and only when said to be JSON."""

from __future__ import annotations

import time
from typing import Any, BinaryIO

from flask import Request
from werkzeug.exceptions import ClientDisconnected

from funcsvc.errors import BodyNotReceived, BodyTooLarge, UnsupportedContentType
from funcsvc.schemas import parse_json_object

MAX_DEFINITION_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024


def read_json_object(request: Request, timeout_seconds: float) -> dict[str, Any]:
    """Return a management request's JSON object.

    Raises UnsupportedContentType, BodyTooLarge, BodyNotReceived, MalformedBody, InvalidDefinition.
    """
    if request.mimetype != "application/json":
        sent = request.headers.get("Content-Type", "")
        raise UnsupportedContentType(
            f'Content-Type is "{sent[:80]}", but must be application/json.'
        )
    return parse_json_object(read_body(request, MAX_DEFINITION_BYTES, timeout_seconds))


def read_body(request: Request, max_bytes: int, timeout_seconds: float) -> bytes:
    """Return the whole body; raises BodyTooLarge or BodyNotReceived."""
    said_bytes = request.content_length or 0
    if said_bytes > max_bytes:
        raise BodyTooLarge(max_bytes)
    socket = request.environ.get("gunicorn.socket")
    if socket:  # gunicorn sets it back to blocking before the next request
        socket.settimeout(timeout_seconds)
    try:
        body = _read(request.stream, max_bytes, time.monotonic() + timeout_seconds)
    except (OSError, ClientDisconnected) as error:
        raise BodyNotReceived(_NOT_RECEIVED.format(timeout_seconds)) from error
    if len(body) < said_bytes:
        raise BodyNotReceived(_NOT_RECEIVED.format(timeout_seconds))
    return body


_NOT_RECEIVED = "The body did not arrive whole within {:g} seconds."


def _read(stream: BinaryIO | Any, max_bytes: int, end: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := stream.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge(max_bytes)
        if time.monotonic() > end:
            raise TimeoutError
        chunks.append(chunk)
    return b"".join(chunks)
