"""The public paths of calls: call a func, wait for it, get its output and its status."""

from __future__ import annotations

from uuid import uuid4

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from funcsvc.config import Settings
from funcsvc.model import (
    MAX_ENVIRONMENT_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_PAYLOAD_BYTES,
    MEGABYTE,
    CallState,
    CallStatus,
    NewCall,
)
from funcsvc.model.errors import (
    BodyTooLarge,
    CallRemoved,
    CallTimedOut,
    EnvironmentTooLarge,
    ExitedBadly,
    OutputRotated,
    OutputTooLarge,
    StoreUnavailable,
    TooManyPending,
    TooManyPendingBytes,
    TooManyWaits,
)
from funcsvc.schemas import (
    FuncStatusSchema,
    NewCallSchema,
    UnendedCallSchema,
    answer_schema,
    counts_text,
    load_flag,
    new_call_text,
    status_pieces,
)
from funcsvc.store import Stores
from funcsvc.web.answers import Answer, ShortAnswer
from funcsvc.web.bodies import read_body
from funcsvc.web.call_addresses import CallLimits, check_call_id, find_func
from funcsvc.web.calls.cgi_environment import cgi_environment
from funcsvc.web.calls.outputs import answer_call
from funcsvc.web.calls.waits import CallWaits
from funcsvc.web.clients import ClientConnection
from funcsvc.web.openapi import (
    Errors,
    answer,
    flag_query,
    header,
    json_answer,
    named_schema,
    operation,
)
from funcsvc.web.openapi.answers import NO_CALL, NO_FUNC, NO_REDIS
from funcsvc.web.openapi.examples import CALL_ID
from funcsvc.web.streaming import joined, streamed_in_place

CALL_METHODS = ("GET", "POST", "PUT", "DELETE")


def make_blueprint(settings: Settings, stores: Stores) -> Blueprint:
    """Return the blueprint of calls. It needs no access key and has no version prefix."""
    blueprint = Blueprint("calls", __name__)
    funcs, calls = stores.funcs, stores.calls
    waits = CallWaits(calls, settings)
    limits = CallLimits(funcs, settings.max_running)

    @blueprint.route("/call/<name>/<uuid>", methods=CALL_METHODS)
    @operation(
        "Call a function.",
        description=_WHAT_IT_GETS,
        body=_PAYLOAD,
        answers={200: _ACCEPTED},
        errors=NO_FUNC | _REFUSALS | NO_REDIS,
    )
    def call_func(name: str, uuid: str) -> Response:
        call = _read_call(limits, name, uuid)
        calls.create_call(call)
        return ShortAnswer(new_call_text(call), content_type="application/json; charset=utf-8")

    @blueprint.route("/call/<name>/<uuid>/sync", methods=CALL_METHODS)
    @operation(
        "Call a function, and wait for its end.",
        description=f"{_WHAT_IT_GETS} {_HOW_LONG_IT_WAITS} {_WHEN_IT_IS_REMOVED}",
        body=_PAYLOAD,
        answers=_ANSWERS_OF_A_CALL,
        errors=NO_FUNC | _REFUSALS | _LIMIT_REACHED | _FAILURES,
    )
    def call_func_sync(name: str, uuid: str) -> Response:
        call, client = _read_call(limits, name, uuid), ClientConnection(request.environ)
        place = waits.take_place(name, client)
        calls.create_call(call)
        ended = waits.wait_for_end(_pending(call), client, place)
        return answer_call(ended, calls, client)

    @blueprint.get("/output/<name>/<uuid>/<call_id>")
    @operation(
        "Ask for a call's output.",
        description=_WHEN_IT_IS_REMOVED,
        answers=_ANSWERS_OF_A_CALL,
        errors=NO_FUNC | NO_CALL | _FAILURES,
    )
    def get_output(name: str, uuid: str, call_id: str) -> Response:
        find_func(funcs, name, uuid)
        call = calls.get_call(name, check_call_id(call_id))
        return answer_call(call, calls, ClientConnection(request.environ, name))

    @blueprint.get("/output/<name>/<uuid>/<call_id>/wait")
    @operation(
        "Wait for a call's end, and ask for its output.",
        description=f"{_HOW_LONG_IT_WAITS} {_WHEN_IT_IS_REMOVED}",
        answers=_ANSWERS_OF_A_CALL,
        errors=NO_FUNC | NO_CALL | _LIMIT_REACHED | _FAILURES,
    )
    def wait_for_output(name: str, uuid: str, call_id: str) -> Response:
        find_func(funcs, name, uuid)
        call, client = (
            calls.get_call(name, check_call_id(call_id)),
            ClientConnection(request.environ, name),
        )
        if not call.status.has_ended:
            call = waits.wait_for_end(call, client, waits.take_place(name, client))
        return answer_call(call, calls, client)

    @blueprint.get("/status/<name>/<uuid>")
    @operation(
        "Count a function's calls.",
        query=[_LIST],
        answers={200: _COUNTS},
        errors=NO_FUNC | NO_REDIS,
    )
    def get_status(name: str, uuid: str) -> Response:
        find_func(funcs, name, uuid)
        counts = calls.get_counts(name)
        if not load_flag(request.args, "list"):
            return Answer(counts_text(counts))
        pieces = joined(status_pieces(counts, calls.list_calls(name)))
        return Answer(streamed_in_place(pieces, ClientConnection(request.environ, name)))

    return blueprint


def _read_call(limits: CallLimits, name: str, uuid: str) -> NewCall:
    """Return the call that this request is.

    Raises FuncNotFound, BodyTooLarge, BodyNotReceived, EnvironmentTooLarge; and MethodNotAllowed at
    HEAD, which Flask takes for GET: it must have no effect, and a call is one.
    """
    if request.method == "HEAD":
        raise MethodNotAllowed(valid_methods=CALL_METHODS)
    limit = limits.get_limit(name, uuid)
    payload, call_id = read_body(request, MAX_PAYLOAD_BYTES), str(uuid4())
    return NewCall(
        id=call_id,
        func_name=name,
        func_uuid=uuid,
        payload=payload,
        environment=cgi_environment(request.environ, len(payload), call_id, name),
        max_running=limit,
    )


def _pending(call: NewCall) -> CallState:
    """Return the state of a call that was just accepted."""
    return CallState(call.id, call.func_name, created_ms=0, status=CallStatus.PENDING)


_WHAT_IT_GETS = (
    f"The body, of at most {MAX_PAYLOAD_BYTES} bytes and any type, becomes the function's standard "
    "input, and the request its environment, as CGI (RFC 3875) has it: `REQUEST_METHOD`, "
    "`QUERY_STRING`, `CONTENT_TYPE`, `CONTENT_LENGTH`, each header as `HTTP_<NAME>` but `Proxy` "
    "and `Authorization`, and `CALL_ID` and `FUNC_NAME`."
)
_HOW_LONG_IT_WAITS = (
    "A request that has waited for as long as the operator allows, or until the service stops or "
    "another function needs its place, is answered with 201 or 202: the call is running or "
    "pending, and goes on."
)
_WHEN_IT_IS_REMOVED = (
    "A call that was answered with 200, 500, 504 or 509 is removed once the whole answer has been "
    "sent. After that it is 404."
)

_PAYLOAD = {"required": False, "content": {"application/octet-stream": {}}}
_ACCEPTED = json_answer(
    "The call is stored and queued.",
    named_schema("NewCall", answer_schema(NewCallSchema())),
    {"CallId": CALL_ID},
)
_UNENDED_CALL = named_schema("UnendedCall", answer_schema(UnendedCallSchema()))
_ANSWERS_OF_A_CALL = {
    200: answer(
        "The function's standard output, byte for byte.",
        {
            "text/plain": {"schema": {"type": "string"}, "example": "HelloWorld\n"},
            "application/octet-stream": {},
        },
        header("X-Content-Type-Options", {"const": "nosniff"}),
    ),
    201: json_answer(
        "The call is running.", _UNENDED_CALL, {"CallId": CALL_ID, "Status": "RUNNING"}
    ),
    202: json_answer(
        "The call is pending.", _UNENDED_CALL, {"CallId": CALL_ID, "Status": "PENDING"}
    ),
}
_FAILURES: Errors = {
    OutputRotated(CALL_ID): "The output was rotated away by newer ones.",
    CallRemoved(CALL_ID): "The call was removed with its function before its end.",
    ExitedBadly(
        7
    ): "The call failed. The message names the exit code, the signal, an out-of-memory "
    "kill or a missing image, and ends with the last line of standard error.",
    StoreUnavailable(
        "it can't be reached"
    ): "Redis can't be used, or there is a bug. Nothing was removed.",
    CallTimedOut(300): "The call ran past its Timeout.",
    OutputTooLarge(MAX_OUTPUT_BYTES): "The output is too large.",
}
_REFUSALS: Errors = {
    BodyTooLarge(MAX_PAYLOAD_BYTES): f"The body is over {MAX_PAYLOAD_BYTES} bytes.",
    EnvironmentTooLarge(MAX_ENVIRONMENT_BYTES): "Query and header fields are over "
    f"{MAX_ENVIRONMENT_BYTES} bytes in all.",
    TooManyPending(200_000): "The limit of the function's pending calls is reached.",
    TooManyPendingBytes("this function", 256 * MEGABYTE): "The limit of the bytes that pending "
    "calls may take is reached.",
}
_LIMIT_REACHED: Errors = {
    TooManyWaits("wait for the end of a call", 3): "The limit of requests that wait for the end of "
    "a call is reached."
}

_LIST = flag_query("list", "Whether to list the stored calls too.")
_COUNTS = json_answer(
    "The counts.",
    named_schema("FuncStatus", answer_schema(FuncStatusSchema())),
    {
        "Total": 2,
        "Pending": 0,
        "Running": 0,
        "Finished": 1,
        "Failed": 1,
        "List": [
            {
                "CallId": CALL_ID,
                "Created": "2017-03-16T07:05:24.473Z",
                "Status": "FAILED",
                "Message": ExitedBadly(7).message,
            }
        ],
    },
)
