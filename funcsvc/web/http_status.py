"""The HTTP status of each kind of error, and the body that all errors have."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from funcsvc.model import Failure, errors

OUTPUT_TOO_LARGE = 509
"""Defined by the contract; no RFC has it."""

STATUS_OF_KIND: dict[type[errors.FuncsvcError], int] = {
    errors.InvalidParameter: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.Unavailable: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Unauthorized: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Limited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Gone: HTTPStatus.GONE,
    errors.CallFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.CallTimedOut: HTTPStatus.GATEWAY_TIMEOUT,
    errors.OutputTooLarge: OUTPUT_TOO_LARGE,
}

STATUS_OF_FAILURE: dict[Failure, int] = {
    Failure.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
    Failure.TIMED_OUT: HTTPStatus.GATEWAY_TIMEOUT,
    Failure.TOO_LARGE: OUTPUT_TOO_LARGE,
}
"""The status of each kind of stored failure."""


def status_of(error: errors.FuncsvcError) -> int:
    """Return the status of an error's kind. An error without a kind is a bug, and gets 500."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF_KIND:
            return STATUS_OF_KIND[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def error_body(message: str, field_errors: errors.FieldErrors | None = None) -> str:
    """Return the JSON text `{"message": …}`, with `"errors"` if there are field errors."""
    body: dict[str, Any] = {"message": message}
    if field_errors:
        body["errors"] = {path: list(sentences) for path, sentences in field_errors.items()}
    text = json.dumps(body, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # queries can have surrogates
