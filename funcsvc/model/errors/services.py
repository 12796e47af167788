"""Errors of the services that this one depends on: the Docker Engine and Redis."""

from __future__ import annotations

from funcsvc.model.errors.kinds import Unavailable


class EngineUnavailable(Unavailable):
    """Raised when the Docker Engine doesn't answer, or fails to serve a request."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The Docker Engine can't be used: {reason}.")


class StoreUnavailable(Unavailable):
    """Raised when Redis doesn't answer, or refuses reads or writes."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis can't be used: {reason}.")


class ConnectionsInUse(StoreUnavailable):
    """Raised when this process has as many connections to Redis as it may, all of them in use."""

    def __init__(self) -> None:
        Unavailable.__init__(self, "All connections of this process to Redis are in use.")
