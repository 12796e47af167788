"""The public operations: the UUID in their path is the key. They have no version prefix."""

from __future__ import annotations

from typing import Any

from funcsvc.model import MAX_OUTPUT_BYTES, MAX_PAYLOAD_BYTES, errors
from funcsvc.schemas import FLAG_VALUES, TAIL_PATTERN, matching, reference
from funcsvc.web.calls.cgi_environment import MAX_ENVIRONMENT_BYTES
from funcsvc.web.openapi import examples
from funcsvc.web.openapi.components import error_answer, headers
from funcsvc.web.openapi.operations import (
    CALL_ID,
    FUNC_NAME,
    Json,
    answer,
    no_func,
    operation,
    path_parameter,
    query,
)

METHODS = ("get", "post", "put", "delete")

UUID = path_parameter("uuid", "The function's UUID, which is secret.", examples.FUNC["UUID"])

_CALLED = (
    f"The body, of at most {MAX_PAYLOAD_BYTES} bytes and any type, becomes the function's standard "
    "input, and the request its environment, as CGI (RFC 3875) has it: `REQUEST_METHOD`, "
    "`QUERY_STRING`, `CONTENT_TYPE`, `CONTENT_LENGTH`, each header as `HTTP_<NAME>` but `Proxy` "
    "and `Authorization`, and `CALL_ID` and `FUNC_NAME`."
)
_CUT_SHORT = (
    "Who has waited for as long as the operator lets wait, or until the service is stopped, is "
    "told with 201 or 202 that the call runs or is pending; it goes on."
)
_ANSWERED_ONCE = (
    "A call that was answered with 200, 500, 504 or 509 is removed, once the answer has been sent "
    "whole: asked again, 404."
)


def call_paths() -> Json:
    """Return the public paths."""
    address, of_call = [FUNC_NAME, UUID], [FUNC_NAME, UUID, CALL_ID]
    return {
        "/call/{name}/{uuid}": {
            "parameters": address,
            **{method: _call_func(method) for method in METHODS},
        },
        "/call/{name}/{uuid}/sync": {
            "parameters": address,
            **{method: _call_func_sync(method) for method in METHODS},
        },
        "/output/{name}/{uuid}/{call_id}": {"parameters": of_call, "get": _get_output()},
        "/output/{name}/{uuid}/{call_id}/wait": {"parameters": of_call, "get": _wait_for_output()},
        "/status/{name}/{uuid}": {"parameters": address, "get": _get_status()},
        "/logs/{name}/{uuid}": {"parameters": address, "get": _get_logs()},
    }


def _call_func(method: str) -> Json:
    accepted = answer("It is stored and queued.", reference("NewCall"), examples.NEW_CALL)
    return _public(
        f"call_func_with_{method}",
        "Call a function.",
        {200: accepted, 404: no_func(), 500: _no_redis(), **_refusals()},
        description=_CALLED,
        **_payload(method),
    )


def _call_func_sync(method: str) -> Json:
    return _public(
        f"call_func_sync_with_{method}",
        "Call a function, and wait for its end.",
        {**_where_it_is(), 404: no_func(), **_refusals()},
        description=f"{_CALLED} {_CUT_SHORT} {_ANSWERED_ONCE}",
        **_payload(method),
    )


def _get_output() -> Json:
    return _public(
        "get_output",
        "Ask for a call's output.",
        {**_where_it_is(), 404: _no_call()},
        description=_ANSWERED_ONCE,
    )


def _wait_for_output() -> Json:
    return _public(
        "wait_for_output",
        "Wait for a call's end, and ask for its output.",
        {**_where_it_is(), 404: _no_call(), 503: _busy("wait for the end of a call")},
        description=f"{_CUT_SHORT} {_ANSWERED_ONCE}",
    )


def _get_status() -> Json:
    counted = answer("The counts.", reference("FuncStatus"), examples.FUNC_STATUS)
    return _public(
        "get_status",
        "Count a function's calls.",
        {200: counted, 404: no_func(), 500: _no_redis()},
        parameters=[_flag("list", "Whether to list the calls that are stored, too.")],
    )


def _get_logs() -> Json:
    lines = {"schema": {"type": "string"}, "example": examples.LOG}
    upgraded = {
        "description": "To `Connection: Upgrade` and `Upgrade: tcp`: the lines follow over the "
        "bare connection.",
        "headers": headers(),
    }
    events = {
        "description": "Events, one JSON object a line, the oldest first.",
        "headers": headers(),
        "content": {"application/x-ndjson": lines},
    }
    return _public(
        "get_logs",
        "Read a function's events, or follow them.",
        {101: upgraded, 200: events, 404: no_func(), 500: _no_redis(), 503: _busy("follow logs")},
        parameters=[
            query("callid", {"type": "string"}, "Only the events of this call."),
            query("tail", matching(TAIL_PATTERN), "Only the last so many of them."),
            _flag(
                "follow",
                "Whether to go on with events as they come; with `callid`, until the call's end.",
            ),
        ],
    )


def _public(name: str, summary: str, answers: dict[int, Json], **parts: Any) -> Json:
    return operation(name, "calls", summary, answers, security=[], shared=(400, 414), **parts)


def _payload(method: str) -> Json:
    """Return a body, but for the methods at which OpenAPI's tools expect none."""
    if method not in ("post", "put"):
        return {}
    return {"requestBody": {"required": False, "content": {"application/octet-stream": {}}}}


def _flag(name: str, description: str) -> Json:
    return query(name, {"type": "string", "enum": [*FLAG_VALUES]}, description)


def _refusals() -> dict[int, Json]:
    """Return what keeps a call from being accepted."""
    return {
        413: error_answer(
            f"The body is over {MAX_PAYLOAD_BYTES} bytes, or query and header fields are over "
            f"{MAX_ENVIRONMENT_BYTES} bytes in all.",
            {"message": errors.BodyTooLarge(MAX_PAYLOAD_BYTES).message},
        ),
        503: error_answer(
            "As many calls are pending, or as many requests wait, as may.",
            {"message": errors.TooManyPending(200_000).message},
            "Retry-After",
        ),
    }


def _where_it_is() -> dict[int, Json]:
    """Return how a call is answered, wherever it is and however it has ended."""
    output = {"type": "string"}
    return {
        200: {
            "description": "The function's standard output, byte for byte.",
            "headers": headers("X-Content-Type-Options"),
            "content": {
                "text/plain": {"schema": output, "example": "HelloWorld\n"},
                "application/octet-stream": {},
            },
        },
        201: answer("It runs.", reference("CallPlace"), examples.CALL_PLACE),
        202: answer(
            "It is pending.", reference("CallPlace"), examples.CALL_PLACE | {"Status": "Pending"}
        ),
        410: error_answer(
            "Its output was rotated away by newer ones.",
            {"message": errors.OutputRotated(examples.CALL_ID).message},
        ),
        500: error_answer(
            "It failed: the message names the exit code, the signal, a lack of memory, a missing "
            "image. Or Redis can't be used, or a bug; then nothing was removed.",
            {"message": errors.ExitedBadly(7).message},
        ),
        504: error_answer(
            "It ran past its Timeout.", {"message": errors.CallTimedOut(300).message}
        ),
        509: error_answer(
            "Its output is too large.", {"message": errors.OutputTooLarge(MAX_OUTPUT_BYTES).message}
        ),
    }


def _no_call() -> Json:
    return error_answer(
        "There is no such function, or no such call of it.", examples.CALL_NOT_FOUND
    )


def _no_redis() -> Json:
    return error_answer(
        "Redis can't be used, or a bug. Nothing was stored.",
        {"message": errors.StoreUnavailable("it can't be reached").message},
    )


def _busy(what: str) -> Json:
    return error_answer(
        f"As many requests {what} as may.",
        {"message": errors.TooManyWaits(what, 3).message},
        "Retry-After",
    )
