"""Translates redis-py's errors into StoreUnavailable, without addresses or secrets."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from funcsvc.model.errors import ConnectionsInUse, StoreUnavailable


class AnswerLost(StoreUnavailable):
    """Raised when no answer came, so that it isn't known whether the request was carried out.

    `timed_out` tells a silent server from a broken connection.
    """

    def __init__(self, reason: str = "it can't be reached", *, timed_out: bool) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class EndedAtOnce(redis.exceptions.ConnectionError):
    """Raised when a server ends a new connection that has no TLS, over TCP."""


class NoMaster(redis.exceptions.ConnectionError):
    """Raised when sentinels name no master: with what they said, or else from what failed."""


_POOL_IS_EMPTY = "No connection available."
"""What redis-py's BlockingConnectionPool raises; other pools raise MaxConnectionsError."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into StoreUnavailable with a reason in plain words."""
    try:
        yield
    except redis.exceptions.RedisError as error:
        if isinstance(error, redis.exceptions.MaxConnectionsError) or str(error) == _POOL_IS_EMPTY:
            raise ConnectionsInUse from error
        refusal = _refusal(error)
        if refusal is None:
            timed_out = isinstance(error, redis.exceptions.TimeoutError)
            raise AnswerLost(_loss(error), timed_out=timed_out) from error
        raise StoreUnavailable(refusal) from error


_CLASSES: dict[type[redis.exceptions.RedisError], str] = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.BusyLoadingError: "LOADING",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.NoPermissionError: "NOPERM",
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
    "NOPERM": "its user has no permission for a command or key of this service",
    "DENIED": "it is in protected mode, and accepts only loopback connections",
    "DB index is out of range": "it has no database with this number",
    "max number of clients reached": "it has as many clients as it accepts",
}
"""Error replies by their code, or by the text of those whose code is ERR."""


_LOGIN_REASONS = {
    "Authentication required": "it wants a password, and none was given",
    "without any password": "it has no password, and one was given",
}


def _refusal(error: redis.exceptions.RedisError) -> str | None:
    """Return what an error reply means, or None if there was no reply.

    Redis 6.2 puts text of its own before the error of a command that a script ran.
    """
    if isinstance(error, redis.exceptions.AuthenticationError):
        known = (why for text, why in _LOGIN_REASONS.items() if text in str(error))
        return next(known, "it did not accept the user and password")
    for refusal, code in _CLASSES.items():
        if isinstance(error, refusal):
            return _REASONS[code]
    for code, reason in _REASONS.items():
        if re.search(rf"(^|-|: ){code}\b", str(error)):
            return reason
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return None
    return "it refused the request"


def _loss(error: redis.exceptions.RedisError) -> str:
    """Return why no answer came."""
    cause = _system_error(error)
    if isinstance(error, NoMaster):
        return str(error) or _of_sentinel(error.__cause__)
    if isinstance(error, redis.exceptions.TimeoutError):
        what = " the TLS handshake" if "handshake" in str(cause) else ""
        return f"it did not answer{what} in time"
    if isinstance(error, EndedAtOnce):
        return "it ended the connection, which can mean that it wants TLS"
    if is_ended(error):
        return "it ended the connection"
    return _connection_reason(cause)


def is_ended(error: redis.exceptions.RedisError) -> bool:
    """Tell whether the server ended the connection."""
    gone = isinstance(_system_error(error), ConnectionResetError | BrokenPipeError)
    return gone or "Connection closed by server" in str(error)


def _connection_reason(cause: OSError | None) -> str:
    if isinstance(cause, socket.gaierror):
        return "its host name can't be resolved"
    if isinstance(cause, ssl.SSLError):
        return _tls_reason(cause)
    if cause and cause.errno:
        return f"it can't be reached: {os.strerror(cause.errno).lower()}"
    return "it can't be reached"


def _of_sentinel(failure: BaseException | None) -> str:
    assert isinstance(failure, redis.exceptions.RedisError)
    subject, _, rest = (_refusal(failure) or _loss(failure)).partition(" ")
    owner = {"it": "its sentinel", "its": "its sentinel's"}[subject]
    return f"{owner} {rest}"


def _system_error(error: BaseException | None) -> OSError | None:
    """Return the error of the operating system or of TLS from which redis-py's one came."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


_OTHER_NAME_CODES = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h."""


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAME_CODES:
            return "its TLS certificate is for another name"
        return f"its TLS certificate isn't valid: {error.verify_message}"
    return f"its TLS handshake failed ({error.reason})"
