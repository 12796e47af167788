"""Why the engine can't be used, in words without addresses, paths or secrets."""

from __future__ import annotations

import errno
import http.client
import logging
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import docker
import requests
import urllib3

from funcsvc.model.errors import EngineUnavailable

NOT_IN_TIME = "it did not answer in time"
NOT_REACHED = "it can't be reached"
_UNREADABLE = "its answer can't be read"
_UNUSABLE = "the operator's TLS files can't be used"
WANTS_TLS = "it wants TLS, which is not set up here"

_MAX_CAUSES = 30

_MAX_LOGGED_CHARACTERS = 1000

_CONTAINERD = re.compile(r"containerd.*: connect: |containerd is not running")
"""How the engine says that it is alone."""

_log = logging.getLogger(__name__)

_HOSTNAME_MISMATCH = 62
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH; 64 is the one for addresses."""


@contextmanager
def translated(*, has_socket: bool = True) -> Iterator[None]:
    """Turn the errors of docker-py and requests into EngineUnavailable.

    `has_socket` says whether the engine is at a unix socket.
    """
    try:
        yield
    except docker.errors.APIError as error:
        raise EngineUnavailable(_answered(error)) from error
    except requests.exceptions.JSONDecodeError as error:
        raise EngineUnavailable(_UNREADABLE) from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
    ) as error:
        raise EngineUnavailable(_reason_of(error, has_socket)) from error
    except (ValueError, KeyError) as error:
        raise EngineUnavailable(_UNREADABLE) from error


def _answered(error: docker.errors.APIError) -> str:
    said = " ".join(str(error.explanation or "").split())
    if "HTTP request to an HTTPS server" in said:
        return WANTS_TLS
    _log.warning("the engine answered %s: %s", error.status_code, said[:_MAX_LOGGED_CHARACTERS])
    if _CONTAINERD.search(said):
        return f"it answered {error.status_code}: it can't reach containerd"
    return f"it answered {error.status_code}"


def _reason_of(error: BaseException, has_socket: bool) -> str:
    """Return the first reason that an error or one of its causes gives."""
    causes = list(_causes(error))
    if any(isinstance(cause, _TIMEOUTS) and not isinstance(cause, _REFUSED) for cause in causes):
        return NOT_IN_TIME
    for kind, say in _REASONS:
        for cause in causes:
            if isinstance(cause, kind) and (reason := say(cause, has_socket)):
                return f"{NOT_REACHED}: {reason}"
    return NOT_REACHED


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those inside it: requests and urllib3 put them into arguments."""
    found = [error]
    for cause in found:
        yield cause
        inside = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        new = [one for one in inside if isinstance(one, BaseException) and one not in found]
        found += new[: _MAX_CAUSES - len(found)]


def _denied(cause: Any, has_socket: bool) -> str:
    what = "its socket" if has_socket else "the operator's TLS files"
    return f"permission to use {what} is denied"


def _missing(cause: Any, has_socket: bool) -> str:
    return "its socket does not exist" if has_socket else "the operator's TLS files are missing"


def _untrusted(cause: Any, has_socket: bool) -> str:
    if cause.verify_code in (_HOSTNAME_MISMATCH, _HOSTNAME_MISMATCH + 2):
        return "its TLS certificate is for another host name"
    return f"its TLS certificate can't be trusted ({cause.verify_message})"


def _tls(cause: Any, has_socket: bool) -> str:
    """OpenSSL names what the other side complains of: `TLSV13_ALERT_CERTIFICATE_REQUIRED`."""
    said = str(cause.reason or "")
    if "ALERT" in said and ("CERTIFICATE" in said or "UNKNOWN_CA" in said or "HANDSHAKE" in said):
        return "it does not accept the operator's TLS certificate, or wants one"
    if said in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "it does not speak TLS"
    if said == "KEY_VALUES_MISMATCH":
        return "the operator's TLS key isn't that of the certificate"
    if said in ("NO_START_LINE", "NO_CERTIFICATE_OR_CRL_FOUND") or "PEM lib" in str(cause):
        return _UNUSABLE
    return "TLS failed"


def _said_by_the_system(cause: Any, has_socket: bool) -> str:
    if cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN):
        return "there is no route to its host"
    return os.strerror(cause.errno).lower() if cause.errno in errno.errorcode else ""


_REFUSED = urllib3.exceptions.NewConnectionError
"""Urllib3 counts it among the timeouts, which it isn't."""

_TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)

_REASONS: tuple[tuple[type[BaseException], Callable[[Any, bool], str]], ...] = (
    (docker.errors.TLSParameterError, lambda *_: _UNUSABLE),
    (ssl.SSLCertVerificationError, _untrusted),
    (ssl.SSLEOFError, lambda *_: "the connection broke off"),
    (ssl.SSLError, _tls),
    (socket.gaierror, lambda *_: "its host name can't be resolved"),
    (urllib3.exceptions.NameResolutionError, lambda *_: "its host name can't be resolved"),
    (PermissionError, _denied),
    (FileNotFoundError, _missing),
    (ConnectionRefusedError, lambda *_: "nothing listens at its address"),
    (ConnectionError, lambda *_: "the connection broke off"),
    (http.client.RemoteDisconnected, lambda *_: "the connection broke off"),
    (OSError, _said_by_the_system),
)
"""The reason that each kind of error gives, the most telling first."""
