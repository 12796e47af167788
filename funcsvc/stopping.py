"""Whether this process was told to stop: what wakes requests that wait, so that they answer."""

from __future__ import annotations

from threading import Event

STOPPING = Event()
"""Set once, by whoever runs the process; `funcsvc.server.Worker` sets it on SIGTERM."""
