"""Access lines in JSON, without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


_SECRET_PATH = re.compile(r"^(/(?:v\d+\.\d+/)?(?:call|output|status|logs)/[^/]*/)[^/]+")


class Logger(GunicornLogger):
    """gunicorn's logger, with one line of JSON for each request."""

    def setup(self, cfg: Any) -> None:
        """Set up, and send funcsvc's own logs to gunicorn's error log."""
        super().setup(cfg)
        ours = logging.getLogger("funcsvc")
        ours.handlers = self.error_log.handlers
        ours.setLevel(self.error_log.level)
        ours.propagate = False

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Log something, but not where gunicorn believes that it listens (see `say_ready`)."""
        if not str(msg).startswith("Listening at"):
            super().info(msg, *args, **kwargs)

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
        """Log an error that gunicorn met. A client that stalled is not an error."""
        if isinstance(sys.exc_info()[1], TimeoutError):
            self.debug("A client stalled, or sent its request too slowly.")
        else:
            super().exception(msg, *args, **kwargs)


def without_secrets(path: str) -> str:
    """Return a path without the secret UUID of a call address."""
    return _UUID.sub("-", _SECRET_PATH.sub(r"\1-", path))
