"""The web process: parses requests, stores and queues, waits, answers."""

from funcsvc.web.app import create_app

__all__ = [
    "create_app",
]
