"""Gives every answer a request id, and every error the same shape."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from random import getrandbits
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from funcsvc.model.errors import (
    Busy,
    FieldErrors,
    FuncsvcError,
    InvalidParameter,
    Limited,
    TooManyWaits,
    Unauthorized,
    Unavailable,
)
from funcsvc.web.http_status import error_body, status_of
from funcsvc.web.streaming import take_place

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

REQUEST_ID = "X-Request-Id"
_log = logging.getLogger("funcsvc.api")
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Answer(Response):
    """A response that is JSON by default, even an empty one to OPTIONS."""

    default_mimetype = "application/json"


class ShortAnswer(Answer):
    """A short answer on the hot path, whose headers werkzeug does not need to complete.

    Location, for example, contains only `[-a-z0-9]` of a name, and needs no escaping.
    """

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers


def register_answers(app: Flask) -> None:
    """Add error handlers and request ids to an app."""
    app.response_class = Answer
    app.register_error_handler(FuncsvcError, _answer_error)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(UnicodeDecodeError, _answer_undecodable)
    app.register_error_handler(Exception, _answer_bug)
    app.after_request(_add_request_id)
    app.after_request(_drop_type_of_nothing)
    app.after_request(_with_place)  # Flask calls the last one first


def request_id() -> str:
    """Return this request's id: the one that it was sent with, if well formed, or a new one."""
    environ = request.environ
    if "funcsvc.request_id" not in environ:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ["funcsvc.request_id"] = (
            given if _GIVEN_ID.fullmatch(given) else f"{getrandbits(128):032x}"
        )
    return str(environ["funcsvc.request_id"])


def _add_request_id(response: Response) -> Response:
    response.headers[REQUEST_ID] = request_id()
    return response


def _drop_type_of_nothing(response: Response) -> Response:
    if response.status_code == HTTPStatus.NO_CONTENT:
        del response.headers["Content-Type"]
    return response


def _with_place(response: Response) -> Response:
    """Return the answer, or if it is long and there is no place for it, one that says so."""
    try:
        return take_place(response)
    except TooManyWaits as error:
        response.close()
        return _answer_error(error)


def _answer_error(error: FuncsvcError) -> Answer:
    field_errors = error.field_errors if isinstance(error, InvalidParameter) else None
    if isinstance(error, Unavailable):
        _log.error("request %s: %s cause: %r", request_id(), error.message, _cause(error))
    answer = _error(status_of(error), error.message, field_errors)
    if isinstance(error, Busy | Limited):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unauthorized):
        answer.headers.add("WWW-Authenticate", 'Basic realm="funcsvc", charset="UTF-8"')
        answer.headers.add("WWW-Authenticate", 'HYPER-HMAC-SHA256 realm="funcsvc"')
    return answer


def _cause(error: Exception) -> str:
    """Return the class of an error's cause, whose text could contain an address or a secret."""
    return type(error.__cause__).__name__ if error.__cause__ else "none"


def _answer_http_exception(error: HTTPException) -> Answer:
    messages = {
        404: "There is nothing at this path.",
        405: f"{request.method} is not allowed at this path.",
    }
    status = error.code or 500
    answer = _error(status, messages.get(status, error.description or error.name))
    if status == 405:
        answer.headers["Allow"] = dict(error.get_headers())["Allow"]
    return answer


def _answer_undecodable(error: UnicodeDecodeError) -> Answer:
    """Answer a query that isn't UTF-8, which fails when werkzeug first decodes it."""
    if error.object != request.query_string:
        return _answer_bug(error)
    return _error(400, f"The query is not valid UTF-8 at byte {error.start}.")


def _answer_bug(error: Exception) -> Answer:
    _log.error("request %s failed", request_id(), exc_info=error)
    return _error(500, "The service failed unexpectedly; its log says more.")


def _error(status: int, message: str, field_errors: FieldErrors | None = None) -> Answer:
    return Answer(error_body(message, field_errors), status=status)
