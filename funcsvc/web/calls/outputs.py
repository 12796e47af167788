"""The answer to a request for a call's output: the output, a failure, or the call's status.

A call that has ended is removed, but only once the whole answer has been sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http import HTTPStatus

from flask import Response

from funcsvc.model import CallState, CallStatus
from funcsvc.model.errors import StoreUnavailable
from funcsvc.schemas import unended_call_text
from funcsvc.store import CallStore
from funcsvc.web.answers import Answer
from funcsvc.web.clients import ClientConnection
from funcsvc.web.http_status import OUTPUT_TOO_LARGE, STATUS_OF_FAILURE, error_body

_log = logging.getLogger("funcsvc.api")
_NOT_TEXT = bytes([*range(0x07), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F])
"""Control characters, except those that file(1) accepts in text."""

_STATUS_OF_UNENDED = {
    CallStatus.PENDING: HTTPStatus.ACCEPTED,
    CallStatus.RUNNING: HTTPStatus.CREATED,
}


def answer_call(call: CallState, calls: CallStore, client: ClientConnection) -> Response:
    """Return the answer to a request for a call's output."""
    if not call.status.has_ended:
        return Answer(unended_call_text(call), status=_STATUS_OF_UNENDED[call.status])
    if call.failure is None:
        status, body, mimetype = "200 OK", call.output, output_type(call.output)
    else:
        status = _status_line(STATUS_OF_FAILURE[call.failure])
        body, mimetype = error_body(call.message).encode(), "application/json"
    sent = _sent_once(body, call.id, calls, client)
    answer = Answer(sent, status=status, content_type=mimetype)
    answer.content_length = len(body)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def output_type(output: bytes) -> str:
    """Return the Content-Type of an output, which is text if every byte of it is."""
    try:
        output.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    is_text = len(output.translate(None, _NOT_TEXT)) == len(output)  # six times as fast as a regex
    return "text/plain; charset=utf-8" if is_text else "application/octet-stream"


def _status_line(status: int) -> str:
    phrase = "OUTPUT TOO LARGE" if status == OUTPUT_TOO_LARGE else HTTPStatus(status).phrase
    return f"{int(status)} {phrase.upper()}"


def _sent_once(
    body: bytes, call_id: str, calls: CallStore, client: ClientConnection
) -> Iterator[bytes]:
    """Yield a body, and delete its call once the server has written it and asks for more.

    If the connection has broken by then, the call stays for another try.
    """
    yield body
    if not client.has_delivered():
        return
    try:
        calls.delete_call(call_id)
    except StoreUnavailable as error:
        _log.warning("A call was answered, but not removed: %s", error.message)
