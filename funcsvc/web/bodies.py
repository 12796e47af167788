"""Reads request bodies, which are limited in size and time."""

from __future__ import annotations

from typing import Any

from flask import Request, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected

from funcsvc.model.errors import BodyNotReceived, BodyTooLarge, UnsupportedContentType
from funcsvc.schemas import MAX_DEFINITION_BYTES, parse_json_object

_BODY = "funcsvc.body"


def check_type_of_body() -> None:
    """Raise UnsupportedContentType if a management request has a body that isn't JSON.

    A body that no view reads counts too: a page of another site can send a form, but not JSON.
    """
    if request.content_length or "HTTP_TRANSFER_ENCODING" in request.environ:
        _check_type(request)


def read_json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body of a management request.

    Raises UnsupportedContentType, BodyTooLarge, BodyNotReceived, MalformedBody, InvalidDefinition.
    """
    _check_type(request)
    return parse_json_object(read_body(request, MAX_DEFINITION_BYTES))


def _check_type(request: Request) -> None:
    if request.mimetype != "application/json":
        sent = request.headers.get("Content-Type", "")
        raise UnsupportedContentType(
            f'Content-Type is "{sent[:80]}", but must be application/json.'
        )


def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the whole body. Raises BodyTooLarge and BodyNotReceived.

    The server ends reads that take too long. A body that was already read is returned again.
    """
    read_before = request.environ.get(_BODY)
    if read_before is not None:
        return bytes(read_before)
    said_bytes = request.content_length or 0
    if said_bytes > max_bytes:
        raise BodyTooLarge(max_bytes)
    # with a length, the server itself ends the body there; Flask's reader takes twice as long
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
