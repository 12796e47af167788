"""How messages quote a request: values as JSON, fields by their dotted paths."""

from __future__ import annotations

import json
from typing import Any

_SHOWN_CHARACTERS = 80


def show(value: Any) -> str:
    """Return a value as messages quote it: as JSON, truncated if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def path_below(path: str, key: object) -> str:
    """Return the dotted path of a key below `path`. An empty key is shown as two quotes."""
    name = str(key) or '""'
    return f"{path}.{name}" if path else name
