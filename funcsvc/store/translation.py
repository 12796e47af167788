"""Translates redis-py's errors into StoreUnavailable, without addresses or secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from funcsvc.model.errors import StoreUnavailable


class AnswerLost(StoreUnavailable):
    """Raised when no answer came, so that it isn't known whether the request was carried out.

    `timed_out` tells a silent server from a broken connection.
    """

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("it did not answer in time" if timed_out else "it can't be reached")
        self.timed_out = timed_out


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into StoreUnavailable with a reason in plain words."""
    try:
        yield
    except redis.exceptions.RedisError as error:
        reason = _reason(error)
        if reason is None:
            timed_out = isinstance(error, redis.exceptions.TimeoutError)
            raise AnswerLost(timed_out=timed_out) from error
        raise StoreUnavailable(reason) from error


_REFUSALS: dict[type[redis.exceptions.RedisError], str] = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.BusyLoadingError: "LOADING",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.AuthenticationError: "NOAUTH",
}
"""Error replies for which redis-py has a class, and whose code it removes from the message."""


_REASONS = {
    "OOM": "its memory is full",
    "READONLY": "it is a read-only replica",
    "MISCONF": "it can't write to its disk",
    "LOADING": "it is still loading its data",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "it has too few replicas to accept a write",
    "MASTERDOWN": "it has lost its master",
    "NOPERM": "its user may not do this",
    "NOAUTH": "it did not accept the user and password, or their absence",
}


def _reason(error: redis.exceptions.RedisError) -> str | None:
    """Return what an error reply means, or None if there was no reply.

    Redis 6.2 puts text of its own before the error of a command that a script ran.
    """
    for refusal, code in _REFUSALS.items():
        if isinstance(error, refusal):
            return _REASONS[code]
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return None
    for code, reason in _REASONS.items():
        if re.search(rf"(^|-|: ){code}\b", str(error)):
            return reason
    return "it refused the request"
