"""How messages quote a request: values as JSON, fields by their dotted paths, and all of it cut."""

from __future__ import annotations

import json
from typing import Any

MAX_ERRORS = 100
"""At most this many wrong fields are listed in an answer."""

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


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
