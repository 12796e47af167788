"""The public addresses of funcs and calls. The UUID in them is the key: never shown or logged."""

from __future__ import annotations

import hmac
import json
import re
from typing import Any

from funcsvc.errors import CallNotFound, FuncNotFound
from funcsvc.store import FuncStore

_CALL_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def find_func(funcs: FuncStore, name: str, uuid: str) -> dict[str, Any]:
    """Return the definition at an address; a wrong UUID is FuncNotFound, as a wrong name is."""
    definition: dict[str, Any] = json.loads(funcs.get_func(name))
    # as bytes: what a client sends may be no ASCII, which strings can't be compared as
    given = uuid.encode("utf-8", "backslashreplace")
    if not hmac.compare_digest(definition["UUID"].encode(), given):
        raise FuncNotFound(name)
    return definition


def check_call_id(call_id: str) -> str:
    """Return a call's id, or raise CallNotFound where it can be none."""
    if not _CALL_ID.fullmatch(call_id):
        raise CallNotFound(call_id)
    return call_id
