"""The queries of the public paths. Unknown options are ignored, since some clients send them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from funcsvc.model.errors import InvalidQuery

TAIL_PATTERN = r"(all|[0-9]{1,9})?"
_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}
FLAG_VALUES = tuple(_FLAGS)


@dataclass(frozen=True)
class LogQuery:
    """Which events a request asks for.

    An empty `call_id` means all calls, and a `tail` of None all past events; with `follow`, new
    events are sent as they come.
    """

    call_id: str
    tail: int | None
    follow: bool


def load_log_query(query: Mapping[str, str]) -> LogQuery:
    """Return what a query asks for in a log. Raises InvalidQuery."""
    return LogQuery(
        call_id="" if query.get("callid") == "all" else query.get("callid", ""),
        tail=_tail(query.get("tail", "")),
        follow=load_flag(query, "follow"),
    )


def load_flag(query: Mapping[str, str], option: str) -> bool:
    """Return whether an option is on. Raises InvalidQuery."""
    text = query.get(option, "")
    if text.lower() not in _FLAGS:
        raise InvalidQuery(option, text, "1, true, 0 or false")
    return _FLAGS[text.lower()]


def _tail(text: str) -> int | None:
    if not re.fullmatch(TAIL_PATTERN, text):
        raise InvalidQuery("tail", text, "all, or a whole number of at most 9 digits")
    return None if text in ("", "all") else int(text)
