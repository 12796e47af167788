"""The web process: parses requests, stores funcs, queues calls, waits, and answers."""

from funcsvc.web.app import create_app

__all__ = [
    "create_app",
]
