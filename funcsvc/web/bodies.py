"""Request bodies: read with a bound on size and time, and only when said to be JSON."""

from __future__ import annotations

from typing import Any

from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected

from funcsvc.model.errors import BodyNotReceived, BodyTooLarge, UnsupportedContentType
from funcsvc.schemas import MAX_DEFINITION_BYTES, parse_json_object

_BODY = "funcsvc.body"


def read_json_object(request: Request) -> dict[str, Any]:
    """Return a management request's JSON object.

    Raises UnsupportedContentType, BodyTooLarge, BodyNotReceived, MalformedBody, InvalidDefinition.
    """
    if request.mimetype != "application/json":
        sent = request.headers.get("Content-Type", "")
        raise UnsupportedContentType(
            f'Content-Type is "{sent[:80]}", but must be application/json.'
        )
    return parse_json_object(read_body(request, MAX_DEFINITION_BYTES))


def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the whole body; raises BodyTooLarge or BodyNotReceived.

    The server ends reads that take too long. A body that was read before is returned again.
    """
    read_before = request.environ.get(_BODY)
    if read_before is not None:
        return bytes(read_before)
    said_bytes = request.content_length or 0
    if said_bytes > max_bytes:
        raise BodyTooLarge(max_bytes)
    # with a length, the server itself ends the body there; flask's own reader costs twice as much
    stream = request.environ["wsgi.input"] if said_bytes else request.stream
    try:
        body = stream.read(max_bytes + 1)
    except (OSError, ParseException, ClientDisconnected) as error:
        raise BodyNotReceived from error
    if len(body) > max_bytes:
        raise BodyTooLarge(max_bytes)
    if len(body) < said_bytes:
        raise BodyNotReceived
    request.environ[_BODY] = body
    return body
