"""Whether this process was told to stop: what wakes requests that wait, so that they answer."""

from __future__ import annotations

from threading import Event, Thread

STOPPING = Event()
"""Set once, by whoever runs the process; `funcsvc.server.Worker` sets it when it is to stop."""


def set_from_handler(event: Event) -> None:
    """Set an event as a signal handler may: by another thread.

    The thread that the signal comes to may hold the event's lock just then, and would wait for
    itself.
    """
    Thread(target=event.set).start()
