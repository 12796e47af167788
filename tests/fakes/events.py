"""A fake event log."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from threading import Condition
from typing import Any

from funcsvc.model import Event


class FakeEventLog:
    """An EventLog with a list for each func. Call `add` where the real store logs a change."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = defaultdict(list)
        self._added = 0
        self._changed = Condition()
        self._error: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on, or stop with None."""
        self._error = error

    def add(self, func_name: str, name: str, call_id: str, **texts: Any) -> None:
        """Append an event. `texts` are fields such as `short_stdin`."""
        with self._changed:
            self._added += 1
            event = Event(f"{self._added}-0", _now_ms(), name, call_id, **texts)
            self.events[func_name].append(event)
            self._changed.notify_all()

    def remove(self, func_name: str) -> None:
        """Forget the events of a func."""
        with self._changed:
            self.events.pop(func_name, None)

    def get_last_position(self, func_name: str) -> str:
        """Return the position of the newest event, or `0-0`."""
        events = self._events_of(func_name)
        return events[-1].position if events else "0-0"

    def list_events(
        self, func_name: str, call_id: str = "", tail: int | None = None, until: str = "+"
    ) -> Iterator[Event]:
        """Yield events, oldest first: of one call or of all, the last `tail` of them or all."""
        found = [
            event
            for event in self._events_of(func_name)
            if call_id in ("", event.call_id)
            and (until == "+" or _order(event.position) <= _order(until))
        ]
        yield from found if tail is None else found[len(found) - min(tail, len(found)) :]

    def wait_for_events(self, func_name: str, after: str, seconds: float) -> list[Event]:
        """Return the events after a position. Waits at most `seconds` for the first."""

        def found() -> list[Event]:
            events = self._events_of(func_name)
            return [event for event in events if _order(event.position) > _order(after)]

        with self._changed:
            return self._changed.wait_for(found, seconds)

    def _events_of(self, func_name: str) -> list[Event]:
        if self._error:
            raise self._error
        return list(self.events.get(func_name, ()))


def _now_ms() -> int:
    return int(time.time() * 1000)


def _order(position: str) -> int:
    return int(position.partition("-")[0])
