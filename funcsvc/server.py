"""What gunicorn needs of us: access lines in JSON, errors in JSON, and no thread held for ever."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import struct
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, UnsupportedTransferCoding
from gunicorn.workers.gthread import ThreadWorker

from funcsvc.app import make_store
from funcsvc.config import load_settings
from funcsvc.errors import StoreUnavailable
from funcsvc.http_status import error_body

SOCKET_TIMEOUT_SECONDS = 30
"""How long one read from a client, or one write to it, may stand still."""

_TIMEVAL = struct.pack("ll", SOCKET_TIMEOUT_SECONDS, 0)
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
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.debug("A client stood still for %s seconds.", SOCKET_TIMEOUT_SECONDS)
        else:
            super().exception(msg, *args, **kwargs)


class Worker(ThreadWorker):
    """gunicorn's thread worker, which gives up on clients that stand still and answers in JSON."""

    def handle(self, conn: Any) -> Any:
        """Serve one request. gunicorn's own reads of a started request have no timeout."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL)
        return super().handle(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what never became a request: gunicorn's own answer is a page of HTML."""
        status, message = _parse_failure(exc)
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
        make_store(load_settings(os.environ)).check()
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
