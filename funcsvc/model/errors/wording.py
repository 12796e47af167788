"""How messages show a client's own words: values as JSON, and the dotted paths of fields."""

from __future__ import annotations

import json
from typing import Any

_SHOWN_CHARACTERS = 80


def show(value: Any) -> str:
    """Return a client's value as a message shows it: as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def path_below(path: str, key: object) -> str:
    """Return the dotted path of what stands under a key; an empty key is shown as two quotes."""
    name = str(key) or '""'
    return f"{path}.{name}" if path else name
