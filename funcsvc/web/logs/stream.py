"""The lines of a func's log for one request: first the stored ones, then new ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from funcsvc.model import CallStatus, Event
from funcsvc.model.errors import CallNotFound, FuncNotFound, OutputRotated, StoreUnavailable
from funcsvc.process import STOPPING
from funcsvc.schemas import LogQuery, event_line
from funcsvc.store import Stores
from funcsvc.web.call_addresses import find_func
from funcsvc.web.calls.waits import LOOK_SECONDS, PAUSE_SECONDS, must_end
from funcsvc.web.clients import ClientConnection
from funcsvc.web.concurrency import Place
from funcsvc.web.streaming import joined

PATIENCE_SECONDS = 60
"""How long a follower waits for Redis to come back."""

_ENDS = frozenset({CallStatus.FINISHED.upper(), CallStatus.FAILED.upper()})


@dataclass
class LogStream:
    """What one request reads of a log. `position` is where it continues."""

    stores: Stores
    name: str
    uuid: str
    query: LogQuery
    client: ClientConnection
    place: Place | None
    position: str = "0-0"

    def lines(self) -> Iterator[bytes]:
        """Yield stored lines, then new ones; none is lost or repeated in between.

        A followed log begins with an empty piece, which starts the answer. Raises StoreUnavailable.
        """
        # checked before the log's end is: if the call has ended, that is in the stored lines
        follows = self.query.follow and not self._has_call_ended()
        until = self.stores.events.get_last_position(self.name)
        if follows:
            yield b""
        try:
            yield from joined(self._lines_until(until))
        except StoreUnavailable:
            if not follows:
                raise
        if follows:
            yield from self._lines_to_come()

    def _lines_until(self, until: str) -> Iterator[bytes]:
        query = self.query
        for event in self.stores.events.list_events(self.name, query.call_id, query.tail, until):
            self.position = event.position
            yield event_line(event)
        self.position = until

    def _lines_to_come(self) -> Iterator[bytes]:
        """Yield new lines as they come.

        Returns when the client leaves, the func is gone, the call has ended or the process stops;
        or if another func needs its place, or the client might be gone and a request wants it.
        """
        assert self.place is not None
        given_up = time.monotonic() + PATIENCE_SECONDS
        while not (STOPPING.is_set() or must_end(self.client, self.place)):
            try:
                events = self._next_events()
                is_over = self._is_over(events)
            except FuncNotFound:
                return
            except StoreUnavailable:
                if time.monotonic() > given_up:
                    raise
                STOPPING.wait(PAUSE_SECONDS)
                continue
            given_up = time.monotonic() + PATIENCE_SECONDS
            yield b"".join(map(event_line, events))
            if is_over:
                return

    def _next_events(self) -> Sequence[Event]:
        """Wait a while for events. Raises FuncNotFound if the func was removed in the meantime."""
        events = self.stores.events.wait_for_events(self.name, self.position, LOOK_SECONDS)
        # the client has no right to a new func of the same name
        find_func(self.stores.funcs, self.name, self.uuid)
        if events:
            self.position = events[-1].position
        return [event for event in events if self.query.call_id in ("", event.call_id)]

    def _is_over(self, events: Sequence[Event]) -> bool:
        """Tell whether no more events will come for this request."""
        if any(event.name in _ENDS for event in events):
            return bool(self.query.call_id)
        return not events and self._has_call_ended()

    def _has_call_ended(self) -> bool:
        """Tell whether the request is for one call, which has ended or doesn't exist."""
        if not self.query.call_id:
            return False
        try:
            return self.stores.calls.get_call(self.name, self.query.call_id).status.has_ended
        except (CallNotFound, OutputRotated):
            return True
