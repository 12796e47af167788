"""What gunicorn needs of us: access lines in JSON, errors in JSON, and no thread held for ever."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import selectors
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, UnsupportedTransferCoding
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from funcsvc.app import make_client
from funcsvc.config import load_settings
from funcsvc.errors import StoreUnavailable
from funcsvc.http_status import error_body

WRITE_TIMEOUT_SECONDS = 30
"""How long one write to a client may stand still."""

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
        remaining_seconds = self._conn.request_end - time.monotonic()
        if remaining_seconds <= 0:
            raise TimeoutError("a request did not arrive in time")
        self.sock.settimeout(remaining_seconds)
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


class Worker(ThreadWorker):
    """gunicorn's thread worker, which gives up on clients that stand still and answers in JSON."""

    def init_process(self) -> None:
        """Read how long a request may take to arrive, in the worker's own process."""
        self.request_seconds = load_settings(os.environ).body_timeout_seconds
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Accept a connection, and wait for its first byte without a thread."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, address, listener.getsockname())
        conn.timeout = time.monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(sock, selectors.EVENT_READ, readable)

    def handle(self, conn: Connection) -> Any:
        """Serve one request, which has begun to arrive."""
        conn.request_end = time.monotonic() + self.request_seconds
        return super().handle(conn)

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
