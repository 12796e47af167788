"""How messages quote a request: values as JSON, fields by their dotted paths, and all of it cut."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

MAX_ERRORS = 100
"""At most this many sentences are listed in an answer."""

MAX_ERROR_BYTES = 64 * 1024
"""At most this long is the JSON of an answer that lists them."""

_FRAME_BYTES = 256
"""Its keys, and what the message says after the first sentence."""

MAX_PATH_CHARACTERS = 400
_SHOWN_CHARACTERS = 80


def show(value: Any) -> str:
    """Return a value as messages quote it: as JSON, truncated if it is long."""
    return _cut(json.dumps(value, ensure_ascii=False))


def path_below(path: str, key: object) -> str:
    """Return the dotted path of a key below `path`. An empty key is shown as two quotes.

    Long keys are cut, and so is a long path, which then stays the same further below.
    """
    if len(path) > MAX_PATH_CHARACTERS:
        return path
    name = _cut(str(key)) or '""'
    return f"{path}.{name}" if path else name


def count_fitting(sentences: Sequence[tuple[str, str]]) -> int:
    """Return how many of these sentences, each with its path, an answer has room for."""
    room = MAX_ERROR_BYTES - _FRAME_BYTES - _json_bytes(sentences[0][1])  # which is the message
    sizes = (_json_bytes(path) + _json_bytes(it) + len(": [], ") for path, it in sentences)
    totals = itertools.islice(itertools.accumulate(sizes), MAX_ERRORS)
    return sum(total <= room for total in totals)


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
