"""Requests to stop, at any moment."""

from __future__ import annotations

from threading import Event, Thread

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.process import set_from_handler


def test_event_is_set_although_its_lock_is_held_by_the_thread_that_was_told():
    event = Event()

    def be_told() -> None:
        with event._cond:
            set_from_handler(event)

    told = Thread(target=be_told, daemon=True)
    told.start()
    told.join(PATIENCE_SECONDS)
    assert not told.is_alive()
    assert event.wait(PATIENCE_SECONDS)
