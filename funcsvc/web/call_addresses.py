"""The public addresses of funcs and calls. The UUID in them is secret: never shown or logged."""

from __future__ import annotations

import hmac
import re
from threading import Lock

from cachetools import LRUCache

from funcsvc.model import Func
from funcsvc.model.errors import CallNotFound, FuncNotFound
from funcsvc.schemas import load_func
from funcsvc.store import FuncStore

MAX_KNOWN_FUNCS = 1024

_CALL_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def find_func(funcs: FuncStore, name: str, uuid: str) -> Func:
    """Return the func at an address. Raises FuncNotFound if the name or the UUID is wrong."""
    func = load_func(funcs.get_func(name))
    if not _is_same(func.uuid, uuid):
        raise FuncNotFound(name)
    return func


class CallLimits:
    """Remembers how many calls of each func may run at once. Safe to share between threads.

    The limit can't change while the UUID stays the same, and the store checks the UUID again when
    it accepts a call. So a call at a remembered address doesn't need the definition.
    """

    def __init__(self, funcs: FuncStore, max_running_setting: int) -> None:
        self._funcs = funcs
        self._max_running = max_running_setting
        self._known: LRUCache[str, tuple[str, int]] = LRUCache(MAX_KNOWN_FUNCS)
        self._lock = Lock()

    def get_limit(self, name: str, uuid: str) -> int:
        """Return how many calls of the func at an address may run at once. Raises FuncNotFound."""
        with self._lock:
            known = self._known.get(name)
        if known and _is_same(known[0], uuid):
            return known[1]
        func = find_func(self._funcs, name, uuid)
        limit = func.max_running(self._max_running)
        with self._lock:
            self._known[name] = (func.uuid, limit)
        return limit


def _is_same(known: str, given: str) -> bool:
    """Compare in constant time, and as bytes, because a client can send non-ASCII characters."""
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "backslashreplace"))


def check_call_id(call_id: str) -> str:
    """Return a call's id. Raises CallNotFound if it is malformed."""
    if not _CALL_ID.fullmatch(call_id):
        raise CallNotFound(call_id)
    return call_id
