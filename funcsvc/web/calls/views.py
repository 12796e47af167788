"""The public calls: a func is called, waited for, asked for its output and its status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from funcsvc.config import Settings
from funcsvc.model import MAX_PAYLOAD_BYTES, CallCounts, CallState, CallStatus, NewCall
from funcsvc.schemas import call_document, counts_document, load_flag
from funcsvc.store import Stores
from funcsvc.web.answers import Answer, ShortAnswer
from funcsvc.web.bodies import read_body
from funcsvc.web.call_addresses import CallLimits, check_call_id, find_func
from funcsvc.web.calls.cgi_environment import cgi_environment
from funcsvc.web.calls.outputs import answer_call
from funcsvc.web.calls.waits import CallWaits
from funcsvc.web.clients import ClientConnection
from funcsvc.web.streaming import joined, streamed

CALL_METHODS = ("GET", "POST", "PUT", "DELETE")


def make_blueprint(settings: Settings, stores: Stores) -> Blueprint:
    """Return the blueprint of calls over its parts; it needs no access key and has no version."""
    blueprint = Blueprint("calls", __name__)
    funcs, calls = stores.funcs, stores.calls
    waits = CallWaits(calls, settings)
    limits = CallLimits(funcs, settings.max_running)

    @blueprint.route("/call/<name>/<uuid>", methods=CALL_METHODS)
    def call_func(name: str, uuid: str) -> Response:
        call = _read_call(limits, name, uuid)
        calls.create_call(call)
        return ShortAnswer(f'{{"CallId": "{call.id}"}}')

    @blueprint.route("/call/<name>/<uuid>/sync", methods=CALL_METHODS)
    def call_func_sync(name: str, uuid: str) -> Response:
        call, client = _read_call(limits, name, uuid), ClientConnection(request.environ)
        with waits.place():
            calls.create_call(call)
            ended = waits.wait_for_end(_pending(call), client)
        return answer_call(ended, calls, client)

    @blueprint.get("/output/<name>/<uuid>/<call_id>")
    def get_output(name: str, uuid: str, call_id: str) -> Response:
        find_func(funcs, name, uuid)
        call = calls.get_call(name, check_call_id(call_id))
        return answer_call(call, calls, ClientConnection(request.environ))

    @blueprint.get("/output/<name>/<uuid>/<call_id>/wait")
    def wait_for_output(name: str, uuid: str, call_id: str) -> Response:
        find_func(funcs, name, uuid)
        call, client = (
            calls.get_call(name, check_call_id(call_id)),
            ClientConnection(request.environ),
        )
        if not call.status.has_ended:
            with waits.place():
                call = waits.wait_for_end(call, client)
        return answer_call(call, calls, client)

    @blueprint.get("/status/<name>/<uuid>")
    def get_status(name: str, uuid: str) -> Response:
        find_func(funcs, name, uuid)
        counts = calls.get_counts(name)
        if not load_flag(request.args, "list"):
            return Answer(json.dumps(counts_document(counts)))
        return Answer(streamed(joined(_status_with_list(counts, calls.list_calls(name)))))

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
    """Return what is known of a call that was just accepted."""
    return CallState(call.id, call.func_name, created_ms=0, status=CallStatus.PENDING)


def _status_with_list(counts: CallCounts, calls: Iterator[CallState]) -> Iterator[bytes]:
    """Yield the counts, and the calls one at a time."""
    separator = json.dumps(counts_document(counts))[:-1] + ', "List": ['
    for call in calls:
        yield (separator + json.dumps(call_document(call), ensure_ascii=False)).encode()
        separator = ", "
    yield (separator if separator != ", " else "").encode() + b"]}"
