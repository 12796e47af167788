"""gunicorn's thread worker, with deadlines for clients and errors in JSON."""

from __future__ import annotations

import errno
import selectors
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import takewhile
from queue import SimpleQueue
from typing import Any

from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import ThreadWorker

from funcsvc.model.errors import Busy
from funcsvc.process import STOPPING, read_settings, set_from_handler
from funcsvc.web.client_socket import ClientSocket, set_options
from funcsvc.web.concurrency import ConcurrencyLimit
from funcsvc.web.gunicorn.arrival import TooMuchArriving, TooMuchFraming
from funcsvc.web.gunicorn.chunks import SPARE_FRAMING_BYTES
from funcsvc.web.gunicorn.connection import READ_BYTES, Connection
from funcsvc.web.http_status import error_body
from funcsvc.web.readiness import HEALTH_THREADS

STOP_DELAY_SECONDS = 0.5
"""How long a worker carries on as usual after it is told to stop.

With reuse_port no listener outlives its worker, so the successor must open its own first.
"""


LINGER_SECONDS = 1
"""How long to discard what a client still sends, after an answer that ends the connection."""

MAX_HELD_BYTES = 64 * 1024 * 1024
"""How much of requests that arrive, or that wait for a thread, is in memory."""

ACCEPTED_AT_ONCE = 16

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})

_FAILURES: tuple[tuple[type[Exception], int, str], ...] = (
    (TooMuchArriving, 503, "Too many requests are arriving at once: try again in a few seconds."),
    (
        TooMuchFraming,
        413,
        "The request body's chunks are too small: their sizes, extensions and line ends may take "
        f"{SPARE_FRAMING_BYTES} bytes and an eighth of the data.",
    ),
    (LimitRequestLine, 414, "The request line is too long."),
    (LimitRequestHeaders, 431, "The request's header fields are too many or too long."),
    (UnsupportedTransferCoding, 501, "The request's Transfer-Encoding is not supported."),
    (ParseException, 400, "The request is not valid HTTP."),
    (Exception, 500, "The service failed unexpectedly; its log says more."),
)


class DeadlineWorker(ThreadWorker):
    """gunicorn's thread worker, in which only whole requests get threads; errors are JSON."""

    early_signals: SimpleQueue[int] | None = None
    is_quitting = False

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
        """Prepare in the worker's own process: limits on clients, threads for health checks."""
        settings = read_settings()
        self.request_seconds = settings.body_timeout_seconds
        self.open_client = partial(
            ClientSocket,
            places=ConcurrencyLimit(
                "receive long answers",
                settings.answer_threads,
                settings.func_share_percent,
                end_early=False,
            ),
            least_bytes_per_second=settings.min_bytes_per_second,
        )
        self.health_pool = ThreadPoolExecutor(HEALTH_THREADS)
        self.arriving: dict[Connection, None] = {}
        self.lingering: dict[Connection, None] = {}
        self.held_bytes = 0
        for listener in self.sockets:
            set_options(listener)
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept some connections: each would otherwise wait for a turn of the loop."""
        for _ in range(ACCEPTED_AT_ONCE):
            if self.nr_conns >= self.worker_connections or not self._accept_one(listener):
                break

    def _accept_one(self, listener: Any) -> bool:
        """Accept a connection, and wait for its first request without a thread.

        Returns False if there was no connection.
        """
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return False
        try:
            sock.setblocking(False)
            if self.cfg.is_ssl:
                sock = ssl_wrap_socket(sock, self.cfg)  # the first reads make the handshake
            conn = Connection(self.cfg, self.open_client(sock), address, listener.getsockname())
        except OSError:
            sock.close()
            return True
        self.nr_conns += 1
        self._wait_for_rest(conn)
        self._make_room()
        return True

    def on_client_socket_readable(self, conn: Connection, client: Any) -> None:
        """Read the next request of a connection that was kept, and still is.

        gunicorn fetches several events at once. Dealing with one can end the connection of another.
        """
        if conn not in self.keepalived_conns:
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        if not self._receive(conn):
            self._close(conn)
        elif conn.parser.is_ready:
            self.enqueue_req(conn)
        else:
            self._wait_for_rest(conn)

    def enqueue_req(self, conn: Connection) -> None:
        """Give a request to a thread. Health checks have threads that nothing else can hold.

        They never wait for a client either: one that must be waited for is no health check.
        """
        request = conn.parser.mesg
        is_check = request is not None and request.path in HEALTH_PATHS
        pool = self.health_pool if is_check and conn.has_room() else self.tpool
        future = pool.submit(self.handle, conn)
        future.add_done_callback(
            lambda done: self.method_queue.defer(self.finish_request, conn, done)
        )

    def handle(self, conn: Connection) -> Any:
        """Serve one request, which has arrived."""
        try:
            return super().handle(conn)
        finally:
            conn.sock.end_request()

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer a request. An answer that fails on the way is reset, or it might look whole."""
        try:
            return super().handle_request(req, conn)
        except (OSError, StopIteration):
            conn.sock.was_cut = True
            raise

    def finish_request(self, conn: Connection, future: Any) -> None:
        """Wait for the next request of a connection, or end it."""
        self.held_bytes -= conn.parser.count
        if future.cancelled() or future.exception() is not None or not future.result():
            conn.parser.count = 0
            self._end(conn)
            return
        conn.parser.begin_next()
        self.held_bytes += conn.parser.count
        if conn.parser.is_ready:
            self.enqueue_req(conn)
        elif conn.parser.count:
            conn.send_continue()
            self._wait_for_rest(conn)
        else:
            super().finish_request(conn, future)

    def murder_pending(self) -> None:
        """Give up requests that haven't arrived in time, and clients that are sending for nobody.

        A request whose head has arrived is served, and the client told that its body is missing.
        """
        for conn in self._expired(self.arriving):
            self._stop_reading(conn, self.arriving)
            if conn.parser.mesg is None:
                self._close(conn)
            else:
                conn.parser.give_up()
                self.enqueue_req(conn)
        for conn in self._expired(self.lingering):
            self._stop_reading(conn, self.lingering)
            self._close(conn)

    def _expired(self, conns: dict[Connection, None]) -> list[Connection]:
        """Return connections whose time is over. Unless stopping, the first has the least time."""
        now = time.monotonic()
        expired = takewhile if self.alive else filter
        return list(expired(lambda conn: conn.timeout <= now, conns))

    def _make_room(self) -> None:
        """At the limit of connections, close one: the longest idle, or else answered, or arriving.

        gunicorn would accept no more, and clients that send nothing would keep all others out.
        """
        if self.nr_conns < self.worker_connections:
            return
        if self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)
            return
        for conns in (self.lingering, self.arriving):
            if conns:
                conn = next(iter(conns))
                self._stop_reading(conn, conns)
                self._close(conn)
                return

    def _wait_for_rest(self, conn: Connection) -> None:
        """Wait for a request, or for the rest of one."""
        conn.timeout = time.monotonic() + self.request_seconds
        self.arriving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_arrival, conn))

    def _on_arrival(self, conn: Connection, client: Any) -> None:
        """Take what has arrived, and give the request to a thread once it is ready."""
        if conn not in self.arriving:  # see on_client_socket_readable
            return
        is_first = not conn.parser.count
        if not self._receive(conn):
            self._stop_reading(conn, self.arriving)
            self._close(conn)
        elif conn.parser.is_ready:
            self._hand_over(conn)
        elif is_first and conn.parser.count:  # its time counts from here
            del self.arriving[conn]
            conn.timeout = time.monotonic() + self.request_seconds
            self.arriving[conn] = None
        while self.held_bytes > MAX_HELD_BYTES and self._refuse_one():
            pass

    def _receive(self, conn: Connection) -> bool:
        """Take what has arrived. Return whether the client is there, and might want an answer."""
        try:
            self.held_bytes += conn.receive()
        except (OSError, EOFError):
            return False
        return True

    def _refuse_one(self) -> bool:
        """Refuse the request that has been arriving longest, of those that hold much memory.

        Its memory is free at once. Returns False if no request does.
        """
        conn = next((one for one in self.arriving if one.parser.count > READ_BYTES), None)
        if conn is None:
            return False
        self.held_bytes -= conn.parser.drop(TooMuchArriving())
        self._hand_over(conn)
        return True

    def _hand_over(self, conn: Connection) -> None:
        self._stop_reading(conn, self.arriving)
        self.enqueue_req(conn)

    def _end(self, conn: Connection) -> None:
        """Close a connection, but first discard for a moment what is still coming."""
        if not conn.end_sending():
            self._close(conn)
            return
        conn.timeout = time.monotonic() + LINGER_SECONDS
        self.lingering[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_late, conn))

    def _on_late(self, conn: Connection, client: Any) -> None:
        if conn not in self.lingering:  # see on_client_socket_readable
            return
        try:
            is_open = conn.discard()
        except OSError:
            is_open = False
        if not is_open:
            self._stop_reading(conn, self.lingering)
            self._close(conn)

    def _stop_reading(self, conn: Connection, conns: dict[Connection, None]) -> None:
        del conns[conn]
        self.poller.unregister(conn.sock)

    def _close(self, conn: Connection) -> None:
        self.held_bytes -= conn.parser.count
        self.nr_conns -= 1
        conn.close()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop a moment after SIGTERM: on a reload, the successor is still starting."""
        threading.Timer(STOP_DELAY_SECONDS, self._begin_to_stop, (sig, frame)).start()

    def _begin_to_stop(self, sig: int, frame: Any) -> None:
        STOPPING.set()  # answers requests that wait for a call or follow a log
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop at once on SIGINT and SIGQUIT, but answer the requests that have a thread.

        gunicorn's own would end the process here, by an exception between any two of its lines. If
        they are those that start a thread of the pool, nobody ends that thread, and the process
        waits for it. Or the pool is locked, and shutting it down here would wait for itself.
        """
        set_from_handler(STOPPING)
        self.is_quitting = True
        super().handle_exit(sig, frame)

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
                if not self._accept_one(listener):
                    break
            listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Give idle connections, and those that never sent a byte, only until the deadline.

        On SIGINT and SIGQUIT, neither they nor requests that are still arriving get any time.
        """
        if self.is_quitting:
            deadline = time.monotonic()
        super()._cap_keepalive(deadline)
        for conn in self.arriving:
            if self.is_quitting or not conn.parser.count:
                conn.timeout = min(conn.timeout, deadline)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer in JSON what failed outside of the application; gunicorn's answer is HTML."""
        if client.was_cut:  # nothing can follow what has been sent
            return
        status, message = next(it[1:] for it in _FAILURES if isinstance(exc, it[0]))
        self.log.warning("A client at %s got %s: %s", (addr or ("",))[0], status, message)
        if status == 500:
            self.log.exception("A request failed outside of the application.")
        body = error_body(message).encode()
        head = f"HTTP/1.1 {status} Error\r\nConnection: close\r\nContent-Type: application/json\r\n"
        if status == 503:
            head += f"Retry-After: {Busy.retry_after_seconds}\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self.log.debug("The client of a request that failed is gone.")
