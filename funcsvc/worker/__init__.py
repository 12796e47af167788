"""The worker process: takes calls off the queue and runs each in an instance, on one engine."""

from funcsvc.worker.worker import make_worker

__all__ = ["make_worker"]
