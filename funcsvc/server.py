"""What gunicorn needs of us: access lines in JSON, errors in JSON, and no thread held for ever."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import re
import selectors
import signal
import socket
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from funcsvc.app import make_client
from funcsvc.config import InvalidSettings, Settings, load_settings
from funcsvc.errors import StoreUnavailable
from funcsvc.http_status import error_body
from funcsvc.stopping import STOPPING, set_from_handler

WRITE_TIMEOUT_SECONDS = 30
"""How long one write to a client may stand still."""

LINGER_SECONDS = 1
"""How long what a client still sends is read off, after an answer that ends the connection."""

STOP_DELAY_SECONDS = 0.5
"""How long a worker that is told to stop goes on as if nothing was.

With reuse_port there is no listener that outlives it: its successor must have one of its own first.
"""

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_SECRET_PATH = re.compile(r"^(/(?:v\d+\.\d+/)?(?:call|output|status|logs)/[^/]*/)[^/]+")


class Logger(GunicornLogger):
    """gunicorn's logger, with one JSON object a line for each request."""

    def setup(self, cfg: Any) -> None:
        """Set up, and let this package's own loggers write where gunicorn's error log goes."""
        super().setup(cfg)
        ours = logging.getLogger("funcsvc")
        ours.handlers = self.error_log.handlers
        ours.setLevel(self.error_log.level)
        ours.propagate = False

    def access(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> None:
        """Log a request: without query and headers, and without the UUID in its path."""
        if not self.access_log_enabled:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": environ.get("funcsvc.request_id", ""),
            "client": environ.get("REMOTE_ADDR", ""),
            "method": environ.get("REQUEST_METHOD", ""),
            "path": without_secrets(environ.get("PATH_INFO", "")),
            "status": int(str(resp.status).split(maxsplit=1)[0]),
            "bytes": resp.sent or 0,
            "ms": round(request_time.total_seconds() * 1000, 1),
        }
        self.access_log.info(json.dumps(line))

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log what gunicorn failed at; a client that stood still is no failure."""
        if isinstance(sys.exc_info()[1], TimeoutError):
            self.debug("A client stood still, or sent its request too slowly.")
        else:
            super().exception(msg, *args, **kwargs)


class DeadlineUnreader(SocketUnreader):
    """Where gunicorn reads requests from: each has one deadline, from its first byte to its last.

    gunicorn's own reads have none, so that a client that stands still, or sends a byte now and
    then, would hold its thread for ever.
    """

    def __init__(self, conn: Connection) -> None:
        super().__init__(conn.sock)
        self._conn = conn

    def chunk(self, size_hint: int | None = None) -> Any:
        seconds = self._conn.request_end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("a request did not arrive in time")
        shorter = self.sock.gettimeout()  # gunicorn's own, while it drains a body
        self.sock.settimeout(seconds if shorter is None else min(seconds, shorter))
        try:
            return super().chunk(size_hint)
        finally:
            self.sock.settimeout(WRITE_TIMEOUT_SECONDS)


class Connection(TConn):
    """A client's connection; `request_end` is when its current request must have arrived."""

    request_end = 0.0

    def init(self) -> None:
        """Prepare for the first request."""
        if not self.initialized:
            super().init()
            self.parser.unreader = DeadlineUnreader(self)

    def linger(self) -> None:
        """End the answer, and for a moment read off what of the request is still coming.

        Closing on unread data would reset the connection, and could take the answer with it.
        """
        with contextlib.suppress(OSError, ParseException):
            self.sock.shutdown(socket.SHUT_WR)
            if self._is_read_whole() or time.monotonic() > self.request_end:
                return
            end = time.monotonic() + LINGER_SECONDS
            while (seconds := end - time.monotonic()) > 0:
                self.sock.settimeout(seconds)
                if not self.sock.recv(65536):
                    return

    def close(self, graceful: bool = False) -> None:
        """Close at once: gunicorn would linger on the loop that all connections wait for."""
        super().close(graceful=False)

    def _is_read_whole(self) -> bool:
        if self.parser is None or self.parser.mesg is None:
            return False  # it was no request
        return bool(self.parser.finish_body(deadline=time.monotonic() + 0.01))


class Worker(ThreadWorker):
    """gunicorn's thread worker, which gives up on clients that stand still and answers in JSON."""

    early_signals: SimpleQueue[int] | None = None

    def init_signals(self) -> None:
        """Take over the signals, and obey one that has come before.

        Until now it went to the handler that a fork inherits, which puts it into this process's
        copy of the master's queue, where nobody looks: the stop would wait for a worker that goes
        on.
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
        self.request_seconds = load_settings(os.environ).body_timeout_seconds
        super().init_process()

    def accept(self, listener: Any) -> bool:
        """Accept a connection, and wait for its first byte without a thread.

        Returns False when there was none.
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
        """Serve one request, which has begun to arrive."""
        conn.request_end = time.monotonic() + self.request_seconds
        stays_open = super().handle(conn)
        if not stays_open:
            conn.linger()
        return stays_open

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop on SIGTERM, a moment later: at a reload, the successor only starts."""
        threading.Timer(STOP_DELAY_SECONDS, self._begin_to_stop, (sig, frame)).start()

    def _begin_to_stop(self, sig: int, frame: Any) -> None:
        STOPPING.set()  # who waits for a call, or follows a log, is answered now
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop at once on SIGINT and SIGQUIT; who waits is answered first.

        Past gunicorn's thread worker, which would shut its pool here: where the signal comes while
        this thread gives the pool a request, the pool is locked, and that would wait for ever.
        """
        set_from_handler(STOPPING)
        super(ThreadWorker, self).handle_quit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Begin or end accepting; a worker that stops closes its listeners at once.

        With reuse_port each worker has listeners of its own, and the kernel goes on giving them
        connections for as long as they are open. What it has given by now is still accepted.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            if listener.sock is None:
                continue  # closed before: a signal can come between any two lines of gunicorn's
            listener.setblocking(False)
            for _ in range(self.cfg.backlog):
                if not self.accept(listener):
                    break
            listener.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """Give connections that wait for a request until the deadline; these two kinds do."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what never became a request: gunicorn's own answer is a page of HTML."""
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


def without_secrets(path: str) -> str:
    """Return a path without the UUID that is the key of a call address."""
    return _UUID.sub("-", _SECRET_PATH.sub(r"\1-", path))


def settings_or_exit() -> Settings:
    """Return the settings, or end with a sentence that says which are wrong."""
    try:
        return load_settings(os.environ)
    except InvalidSettings as error:
        sys.exit(f"funcsvc can't start: {error}")


def check_address_is_free(server: Any) -> None:
    """End with a sentence when somebody listens there already (gunicorn's on_starting hook).

    With reuse_port, a second service on the same port would share it with the first.
    """
    if "GUNICORN_PID" in os.environ:  # an upgrade in place: the first one is this one's parent
        return
    for address in server.cfg.address:
        if isinstance(address, str):
            continue  # a unix socket, which gunicorn itself looks after
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                sys.exit(f"funcsvc can't listen at {address[0]}:{address[1]}: {error.strerror}.")


def keep_early_signals(server: Any, worker: Worker) -> None:
    """Let a worker find the signals that come before its handlers (gunicorn's post_fork hook)."""
    worker.early_signals = server.SIG_QUEUE


def say_ready(server: Any) -> None:
    """Say where the service listens, and what is wrong with Redis (gunicorn's when_ready hook).

    gunicorn itself doesn't know the address: with reuse_port its workers bind it. A Redis that
    can't be used is no reason to stop, for it may come back.
    """
    log = logging.getLogger("gunicorn.error")
    log.info("funcsvc listens at %s", ", ".join(server.cfg.settings["bind"].get()))
    try:
        make_client(load_settings(os.environ)).check()
    except StoreUnavailable as error:
        log.warning("%s", error.message)


def _parse_failure(exc: BaseException) -> tuple[int, str]:
    if isinstance(exc, LimitRequestLine):
        return 414, "The request line is too long."
    if isinstance(exc, LimitRequestHeaders):
        return 431, "The request's header fields are too many or too long."
    if isinstance(exc, UnsupportedTransferCoding):
        return 501, "The request's Transfer-Encoding is not known here."
    if type(exc).__module__.startswith("gunicorn.http"):
        return 400, "The request is not valid HTTP."
    return 500, "The service failed in a way it did not expect; its log says more."
