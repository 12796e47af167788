"""Requests that wait for the end of a call: woken by Redis, never by looking again and again."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from funcsvc.config import Settings
from funcsvc.model import CallState
from funcsvc.model.errors import StoreUnavailable
from funcsvc.process import STOPPING
from funcsvc.store import CallStore
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import ConcurrencyLimit

LOOK_SECONDS = 2
"""How long Redis is waited for at a time; then the client and the process are looked after."""

PAUSE_SECONDS = 0.5
"""How long to wait before Redis is tried again."""


class CallWaits:
    """Waits for the ends of calls, at most so many at once. Made once, shared by all threads."""

    def __init__(self, calls: CallStore, settings: Settings) -> None:
        self._calls = calls
        self._max_seconds = settings.max_wait_seconds
        self._limit = ConcurrencyLimit("wait for the end of a call", settings.wait_threads)

    def limited(self) -> AbstractContextManager[None]:
        """Be one of the requests that wait. Raises TooManyWaits if the limit is reached."""
        return self._limit.held()

    def wait_for_end(self, call: CallState, client: ClientConnection) -> CallState:
        """Return a call as it has ended.

        Returns it as it is when the wait is cut short: the process stops, the client is gone, or
        the longest wait is over. Raises what get_call does, but Redis may go and come back.
        """
        end = time.monotonic() + self._max_seconds
        while not call.status.has_ended:
            left = end - time.monotonic()
            if left <= 0 or STOPPING.is_set() or client.is_gone():
                break
            call = self._look(call, min(LOOK_SECONDS, max(1, left)))
        return call

    def _look(self, call: CallState, seconds: float) -> CallState:
        """Wait a while for the end; where Redis is gone, the call is as it was."""
        try:
            self._calls.wait_for_end(call.id, seconds)
            return self._calls.get_call(call.func_name, call.id)
        except StoreUnavailable:
            STOPPING.wait(PAUSE_SECONDS)
            return call
