"""The queries of the public paths. Options that are not known are ignored: clients send some."""

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
    """Which events are asked for: of one call or of all, the last `tail` or all, and those to come.

    An empty `call_id` is every call.
    """

    call_id: str
    tail: int | None
    follow: bool


def load_log_query(query: Mapping[str, str]) -> LogQuery:
    """Return what a query asks of a log; raises InvalidQuery."""
    return LogQuery(
        call_id=query.get("callid", ""),
        tail=_tail(query.get("tail", "")),
        follow=load_flag(query, "follow"),
    )


def load_flag(query: Mapping[str, str], option: str) -> bool:
    """Return whether an option is on; raises InvalidQuery."""
    text = query.get(option, "")
    if text.lower() not in _FLAGS:
        raise InvalidQuery(option, text, "1, true, 0 or false")
    return _FLAGS[text.lower()]


def _tail(text: str) -> int | None:
    if not re.fullmatch(TAIL_PATTERN, text):
        raise InvalidQuery("tail", text, "all, or a whole number of at most 9 digits")
    return None if text in ("", "all") else int(text)
