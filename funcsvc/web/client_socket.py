"""A client's socket, on which a thread waits only in a bounded place and at a least rate."""

from __future__ import annotations

import errno
import fcntl
import itertools
import logging
import select
import socket
import ssl
import struct
import termios
import time
from typing import Any

from funcsvc.model.errors import TooManyWaits
from funcsvc.web.concurrency import ConcurrencyLimit, Place

WINDOW_SECONDS = 10
"""The time over which a client's rate is measured, and so the longest that it may stand still."""

LOOK_MS = 250
SHORT_PAUSES_MS = (1, 2, 4, 8, 16)
"""How long a request without a place may wait for an acknowledgement. Longer ones need a place."""

SEND_BUFFER_BYTES = 512 * 1024
"""As much as the kernel allows of it, and twice that with its overhead (SO_SNDBUF, socket(7))."""

_PROBES = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}

_log = logging.getLogger("funcsvc.api")


class ClientSocket:
    """A non-blocking socket. What the kernel doesn't take at once is waited for in a place.

    The places are shared by all connections of a process, so that clients that don't read can't
    hold more threads than there are places. In its place, a client must read at the least rate.
    The place counts for the request's `owner`.
    """

    def __init__(
        self,
        sock: socket.socket,
        places: ConcurrencyLimit,
        least_bytes_per_second: float,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        sock.setblocking(False)
        self.owner = ""
        self.has_place = False
        self.was_cut = False
        self._socket = sock
        self._places = places
        self._place: Place | None = None
        self._rate = least_bytes_per_second
        self._window = self._credit = window_seconds
        self._written = self._acknowledged = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        """Do nothing: the socket stays non-blocking, whatever gunicorn wants."""

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing, as above."""

    def sendall(self, data: bytes) -> None:
        """Send everything. Raises OSError if the client is gone, or is cut because it is slow."""
        sent = self._send(data)
        if sent < len(data):
            left = memoryview(data)[sent:]
            while left:
                self._wait_for_room()
                left = left[self._send(left) :]

    def take_place(self) -> None:
        """Take a place for a long answer, unless the request has one. Raises TooManyWaits."""
        if not self.has_place:
            self._place = self._places.take(self.owner)
            self.has_place = True

    def end_request(self) -> None:
        """Give the place back, and start measuring again."""
        if self._place is not None:
            self._place.give_back()
        self._place, self.has_place, self.owner = None, False, ""
        self._credit = self._window

    def wait_until_acknowledged(self) -> bool:
        """Wait until the client's machine has acknowledged every byte; tell whether it has.

        A client that closes after reading everything is not a failure; a reset connection is.
        """
        for pause_ms in itertools.chain(SHORT_PAUSES_MS, itertools.repeat(32)):
            left = self._unacknowledged()
            if self._has_lost(left):
                return False
            if not left:
                return True
            if pause_ms == 32 and not self._may_wait():
                return False
            start = time.monotonic()
            self._pause(pause_ms)
            if not self._is_fast_enough(time.monotonic() - start):
                return False
        raise AssertionError("unreachable")

    def is_broken(self) -> bool:
        """Tell whether the connection was reset, or its other side is no longer there."""
        return self.events(0, 0) != 0

    def events(self, wanted: int, timeout_ms: float) -> int:
        """Return which wanted events have occurred. A broken connection is always reported."""
        poll = select.poll()
        poll.register(self._socket, wanted)
        return next((events for _, events in poll.poll(timeout_ms)), 0)

    def reset_when_closed(self) -> None:
        """Have the kernel drop, at the close, what the client hasn't read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _has_lost(self, unacknowledged: int) -> bool:
        """Tell whether the client will never have read what was written.

        A unix socket hangs up as soon as the client closes. What that hadn't read is dropped then,
        and no longer unacknowledged; but an error says so, and comes before.
        """
        events = self.events(0, 0)
        if self._socket.family == socket.AF_UNIX and not unacknowledged:
            events &= ~select.POLLHUP
        return events != 0

    def _send(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes at once, and return how many bytes that were."""
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return 0
        self._written += sent
        return sent

    def _wait_for_room(self) -> None:
        if not self._may_wait():
            self._cut("no place is free for a client that reads slowly")
        is_ready = 0
        while not is_ready:
            start = time.monotonic()
            is_ready = self.events(select.POLLOUT, LOOK_MS)
            if not self._is_fast_enough(time.monotonic() - start):
                self._cut("the client reads too slowly")

    def _may_wait(self) -> bool:
        try:
            self.take_place()
        except TooManyWaits:
            return False
        return True

    def _is_fast_enough(self, seconds: float) -> bool:
        """Count some seconds of waiting against what was acknowledged in the meantime."""
        before = self._acknowledged
        self._acknowledged = max(before, self._written - self._unacknowledged())
        earned = (self._acknowledged - before) / self._rate
        self._credit = min(self._window, self._credit + earned) - seconds
        return self._credit > 0

    def _cut(self, reason: str) -> None:
        self.was_cut = True
        _log.info("An answer was cut short: %s.", reason)
        raise BrokenPipeError(errno.EPIPE, reason)  # taken for a client that left: no trace

    def _pause(self, pause_ms: int) -> None:
        """Wait a moment, or less if a request arrives, since it carries an acknowledgement."""
        if self.events(select.POLLIN, pause_ms) and self._unacknowledged():
            self.events(0, pause_ms)

    def _unacknowledged(self) -> int:
        """Return how many of the written bytes aren't acknowledged yet (SIOCOUTQ, tcp(7))."""
        answer = fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0" * 4)
        (count,) = struct.unpack("i", answer)
        return int(count)


def set_options(listener: Any) -> None:
    """Set what the connections of a listener inherit.

    A short answer fits into the send buffer at once. Probes (tcp(7)) find a client that vanished,
    or closed: its machine answers them for a closed connection only for as long as it remembers it,
    which is a minute with Linux.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if listener.family == socket.AF_UNIX:
        return
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _PROBES.items():
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
