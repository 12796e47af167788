"""Calls, counts and events as answers show them."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from funcsvc.model import (
    SHORT_BYTES,
    CallCounts,
    CallState,
    CallStatus,
    Event,
    InstanceKind,
    NewCall,
)
from funcsvc.schemas.func import format_time
from funcsvc.schemas.json_schema import JsonSchema, answer_schema, or_null
from funcsvc.schemas.strict import Given, StrictSchema

_ID: JsonSchema = {"type": "string", "format": "uuid"}
_TIME: JsonSchema = {"type": "string", "format": "date-time"}
_SENTENCE: JsonSchema = {"type": "string", "minLength": 1}
_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_STATUSES: JsonSchema = {"enum": [status.upper() for status in CallStatus]}
_UNENDED: JsonSchema = {
    "enum": [status.upper() for status in CallStatus if not status.has_ended],
}


def _time(time_ms: int) -> str:
    return format_time(datetime.fromtimestamp(time_ms / 1000, UTC))


def _short_text(short: bytes) -> str:
    """Return the beginning of a stream as text, without a character that its end cuts off."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(short, final=len(short) < SHORT_BYTES)


class NewCallSchema(StrictSchema):
    """A call that was accepted."""

    id = Given(_ID, data_key="CallId", always_shown=True)


class UnendedCallSchema(StrictSchema):
    """A call that is asked for before it has ended."""

    id = Given(_ID, data_key="CallId", always_shown=True)
    status = Given(_UNENDED, data_key="Status", always_shown=True, write=str.upper)


class CallSchema(StrictSchema):
    """A call in a list of calls."""

    id = Given(_ID, data_key="CallId", always_shown=True)
    created_ms = Given(_TIME, data_key="Created", always_shown=True, write=_time)
    status = Given(_STATUSES, data_key="Status", always_shown=True, write=str.upper)
    message = Given(
        or_null(_SENTENCE), data_key="Message", always_shown=True, write=lambda text: text or None
    )
    instance_kind = Given({"enum": [*map(str, InstanceKind)]}, data_key="Instance")


class CountsSchema(StrictSchema):
    """How many calls a func has had, and has."""

    total = Given(_COUNT, data_key="Total", always_shown=True, write=int)
    pending = Given(_COUNT, data_key="Pending", always_shown=True, write=int)
    running = Given(_COUNT, data_key="Running", always_shown=True, write=int)
    finished = Given(_COUNT, data_key="Finished", always_shown=True, write=int)
    failed = Given(_COUNT, data_key="Failed", always_shown=True, write=int)


class FuncStatusSchema(CountsSchema):
    """The counts of a func's calls, with the list of them where that is asked for."""

    calls = Given({"type": "array", "items": answer_schema(CallSchema())}, data_key="List")


class EventSchema(StrictSchema):
    """An event in a func's log."""

    time_ms = Given(_TIME, data_key="Time", always_shown=True, write=_time)
    name = Given(_SENTENCE, data_key="Event", always_shown=True)
    call_id = Given(_ID, data_key="CallId", always_shown=True)
    short_stdin = Given(_SENTENCE, data_key="ShortStdin", write=_short_text)
    short_stdout = Given(_SENTENCE, data_key="ShortStdout", write=_short_text)
    short_stderr = Given(_SENTENCE, data_key="ShortStderr", write=_short_text)
    message = Given(_SENTENCE, data_key="Message")


_NEW_CALL, _UNENDED_CALL, _CALL = NewCallSchema(), UnendedCallSchema(), CallSchema()
_COUNTS, _EVENT = CountsSchema(), EventSchema()


def new_call_text(call: NewCall) -> str:
    """Return the JSON text that answers an accepted call."""
    return json.dumps(_NEW_CALL.write(call))


def unended_call_text(call: CallState) -> str:
    """Return the JSON text that answers where a call is that has not ended."""
    return json.dumps(_UNENDED_CALL.write(call))


def counts_text(counts: CallCounts) -> str:
    """Return the JSON text of a func's counts."""
    return json.dumps(_COUNTS.write(counts))


def status_pieces(counts: CallCounts, calls: Iterator[CallState]) -> Iterator[bytes]:
    """Yield the JSON text of a func's counts and of its calls, one call at a time."""
    separator = counts_text(counts)[:-1] + ', "List": ['
    for call in calls:
        yield (separator + json.dumps(_CALL.write(call), ensure_ascii=False)).encode()
        separator = ", "
    yield (separator if separator != ", " else "").encode() + b"]}"


def event_line(event: Event) -> bytes:
    """Return an event as one line of JSON; empty options are left out."""
    return json.dumps(_EVENT.write(event), ensure_ascii=False).encode() + b"\n"
