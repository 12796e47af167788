"""gunicorn's thread worker, with deadlines for clients and errors in JSON."""

from __future__ import annotations

import errno
import selectors
import signal
import threading
import time
from functools import partial
from queue import SimpleQueue
from typing import Any

from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import ThreadWorker

from funcsvc.process import STOPPING, read_settings, set_from_handler
from funcsvc.web.gunicorn.connection import Connection
from funcsvc.web.http_status import error_body

STOP_DELAY_SECONDS = 0.5
"""How long a worker carries on as usual after it is told to stop.

With reuse_port no listener outlives its worker, so the successor must open its own first.
"""


class DeadlineWorker(ThreadWorker):
    """gunicorn's thread worker, which gives up on stalled clients and answers errors in JSON."""

    early_signals: SimpleQueue[int] | None = None

    def init_signals(self) -> None:
        """Set the signal handlers, and obey signals that came before.

        Until now, the handlers inherited from the master have put signals into this process's copy
        of the master's queue, which gunicorn never reads here. Without this, the worker would go
        on, and the master would wait for it to stop.
        """
        super().init_signals()
        while self.early_signals and not self.early_signals.empty():
            number = self.early_signals.get_nowait()
            if number == signal.SIGTERM:
                self.handle_exit(number, None)
            elif number in (signal.SIGINT, signal.SIGQUIT):
                self.handle_quit(number, None)

    def init_process(self) -> None:
        """Read how long a request may take to arrive, in the worker's own process."""
        self.request_seconds = read_settings().body_timeout_seconds
        super().init_process()

    def accept(self, listener: Any) -> bool:
        """Accept a connection, and wait for its first byte without a thread.

        Returns False if there was no connection.
        """
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return False
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, address, listener.getsockname())
        conn.timeout = time.monotonic() + self.request_seconds
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(sock, selectors.EVENT_READ, readable)
        return True

    def handle(self, conn: Connection) -> Any:
        """Serve one request, whose first byte has arrived."""
        conn.request_end = time.monotonic() + self.request_seconds
        stays_open = super().handle(conn)
        if not stays_open:
            conn.linger()
        return stays_open

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop a moment after SIGTERM: on a reload, the successor is still starting."""
        threading.Timer(STOP_DELAY_SECONDS, self._begin_to_stop, (sig, frame)).start()

    def _begin_to_stop(self, sig: int, frame: Any) -> None:
        STOPPING.set()  # answers requests that wait for a call or follow a log
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop at once on SIGINT and SIGQUIT, and have waiting requests answered first.

        This bypasses gunicorn's thread worker, which would shut down its pool here. If the signal
        comes while this thread gives the pool a request, the pool is locked, and that would
        deadlock.
        """
        set_from_handler(STOPPING)
        super(ThreadWorker, self).handle_quit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting. A worker that is stopping closes its listeners at once.

        With reuse_port each worker has its own listeners, and the kernel gives them connections
        for as long as they are open. Connections that it has already given are still accepted.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            if listener.sock is None:
                continue  # already closed: a signal can come between any two lines of gunicorn
            listener.setblocking(False)
            for _ in range(self.cfg.backlog):
                if not self.accept(listener):
                    break
            listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Give idle connections, and those that never sent a byte, only until the deadline."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer in JSON what failed outside of the application; gunicorn's answer is HTML."""
        status, message = _parse_failure(exc)
        self.log.warning("A client at %s got %s: %s", (addr or ("",))[0], status, message)
        if status == 500:
            self.log.exception("A request failed outside of the application.")
        body = error_body(message).encode()
        head = f"HTTP/1.1 {status} Error\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("The client of a request that failed is gone.")


def _parse_failure(exc: BaseException) -> tuple[int, str]:
    if isinstance(exc, LimitRequestLine):
        return 414, "The request line is too long."
    if isinstance(exc, LimitRequestHeaders):
        return 431, "The request's header fields are too many or too long."
    if isinstance(exc, UnsupportedTransferCoding):
        return 501, "The request's Transfer-Encoding is not supported."
    if type(exc).__module__.startswith("gunicorn.http"):
        return 400, "The request is not valid HTTP."
    return 500, "The service failed unexpectedly; its log says more."
