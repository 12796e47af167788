"""Requests that wait for the end of a call. Redis wakes them, so that they needn't poll."""

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
"""How long to wait on Redis before checking for a lost client or a stopping process."""

PAUSE_SECONDS = 0.5
"""How long to wait before retrying Redis."""


class CallWaits:
    """Waits for calls to end, in a limited number of requests. Shared by all threads."""

    def __init__(self, calls: CallStore, settings: Settings) -> None:
        self._calls = calls
        self._max_seconds = settings.max_wait_seconds
        self._limit = ConcurrencyLimit("wait for the end of a call", settings.wait_threads)

    def limited(self) -> AbstractContextManager[None]:
        """Count as a request that waits. Raises TooManyWaits if the limit is reached."""
        return self._limit.held()

    def wait_for_end(self, call: CallState, client: ClientConnection) -> CallState:
        """Wait for a call to end, and return it.

        It is returned without having ended if the process stops, the client leaves, or the longest
        wait is over. Raises what `get_call` does, but retries while Redis can't be used.
        """
        end = time.monotonic() + self._max_seconds
        while not call.status.has_ended:
            left = end - time.monotonic()
            if left <= 0 or STOPPING.is_set() or client.is_gone():
                break
            call = self._look(call, min(LOOK_SECONDS, max(1, left)))
        return call

    def _look(self, call: CallState, seconds: float) -> CallState:
        """Wait a while for the end. Returns the call unchanged if Redis can't be used."""
        try:
            self._calls.wait_for_end(call.id, seconds)
            return self._calls.get_call(call.func_name, call.id)
        except StoreUnavailable:
            STOPPING.wait(PAUSE_SECONDS)
            return call
