"""Calls, counts and events as answers show them."""

from __future__ import annotations

import codecs
import json
from datetime import UTC, datetime

from funcsvc.model import SHORT_BYTES, CallCounts, CallState, Event
from funcsvc.schemas.func import format_time


def counts_document(counts: CallCounts) -> dict[str, int]:
    """Return the counts of a func's calls, in the contract's order."""
    return {
        "Total": counts.total,
        "Pending": counts.pending,
        "Running": counts.running,
        "Finished": counts.finished,
        "Failed": counts.failed,
    }


def call_document(call: CallState) -> dict[str, str]:
    """Return a call as a list of calls shows it."""
    document = {
        "CallId": call.id,
        "Created": _time(call.created_ms),
        "Status": str(call.status),
        "Message": call.message,
        "Instance": call.instance_kind or "",
    }
    return {key: text for key, text in document.items() if text}


def event_line(event: Event) -> bytes:
    """Return an event as one line of JSON; what is empty is left out."""
    document = {
        "Time": _time(event.time_ms),
        "Event": event.name,
        "CallId": event.call_id,
        "ShortStdin": _short_text(event.short_stdin),
        "ShortStdout": _short_text(event.short_stdout),
        "ShortStderr": _short_text(event.short_stderr),
        "Message": event.message,
    }
    given = {key: text for key, text in document.items() if text}
    return json.dumps(given, ensure_ascii=False).encode() + b"\n"


def _time(time_ms: int) -> str:
    return format_time(datetime.fromtimestamp(time_ms / 1000, UTC))


def _short_text(short: bytes) -> str:
    """Return the beginning of a stream as text; a character that its end has cut is dropped."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(short, final=len(short) < SHORT_BYTES)
