"""Requests that wait for the end of a call. Redis wakes them, so that they needn't poll."""

from __future__ import annotations

import time

from funcsvc.config import Settings
from funcsvc.model import CallState
from funcsvc.model.errors import StoreUnavailable
from funcsvc.process import STOPPING
from funcsvc.store import CallStore
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import ConcurrencyLimit, Place

LOOK_SECONDS = 2
"""How long to wait on Redis before checking for a lost client or a stopping process."""

PAUSE_SECONDS = 0.5
"""How long to wait before retrying Redis."""


class CallWaits:
    """Waits for calls to end, in a limited number of requests. Shared by all threads."""

    def __init__(self, calls: CallStore, settings: Settings) -> None:
        self._calls = calls
        self._max_seconds = settings.max_wait_seconds
        self._limit = ConcurrencyLimit(
            "wait for the end of a call", settings.wait_threads, settings.func_share_percent
        )

    def take_place(self, func_name: str, client: ClientConnection) -> Place:
        """Count as a request that waits, until its answer is sent. Raises TooManyWaits."""
        place = self._limit.take(func_name)
        client.hold(place)
        return place

    def wait_for_end(self, call: CallState, client: ClientConnection, place: Place) -> CallState:
        """Wait for a call to end, and return it.

        It is returned without having ended if the process stops, the client leaves, or the longest
        wait is over; or if another func needs its place; or if the client has ended its sending
        side, so that it might have closed, and another request wants its place. Raises what
        `get_call` does, but retries while Redis can't be used.
        """
        end = time.monotonic() + self._max_seconds
        while not call.status.has_ended:
            left = end - time.monotonic()
            if left <= 0 or STOPPING.is_set() or must_end(client, place):
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


def must_end(client: ClientConnection, place: Place) -> bool:
    """Tell whether a wait must end: its client is gone, or might be and is in the way; or another
    func needs its place.
    """
    is_in_the_way = client.has_ended_sending() and place.is_wanted()
    return place.has_to_end or client.is_gone() or is_in_the_way
