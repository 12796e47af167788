"""redis-py's errors in words of ours, without addresses and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from funcsvc.model.errors import StoreUnavailable


class AnswerLost(StoreUnavailable):
    """Raised when no answer came: whether the request was carried out is not known.

    `timed_out` tells a server that was silent from a connection that broke.
    """

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("it did not answer in time" if timed_out else "it can't be reached")
        self.timed_out = timed_out


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis's errors into StoreUnavailable with a sentence, without addresses and secrets."""
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
"""Error replies that redis-py has a class for, and whose code it takes away."""


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
    """Say what an error reply means, or None where there was no reply at all.

    Redis 6.2 puts an error of a script's command behind words of its own.
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
