"""The Redis and the engine of a command: what is there, or else its own, kept by supervisord."""

from dev.services.children import ChildFailed, Children
from dev.services.engine import connect
from dev.services.services import find_missing, run_job, services

__all__ = ["ChildFailed", "Children", "connect", "find_missing", "run_job", "services"]
