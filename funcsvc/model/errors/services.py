"""Errors of what this service needs: the Docker Engine and Redis."""

from __future__ import annotations

from funcsvc.model.errors.kinds import Unavailable


class EngineUnavailable(Unavailable):
    """Raised when the Docker Engine doesn't answer, or answers with a failure of its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The Docker Engine can't be used: {reason}.")


class StoreUnavailable(Unavailable):
    """Raised when Redis doesn't answer, or refuses to read or write."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis can't be used: {reason}.")
