"""Checks requests: access keys on management requests or, without keys, a loopback Host."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

from flask import request

from funcsvc.config import Settings
from funcsvc.model import client_address, host_name, is_loopback, limited_address
from funcsvc.model.errors import Unauthorized, WrongHost, WrongOrigin
from funcsvc.schemas import MAX_DEFINITION_BYTES
from funcsvc.store import FailedAttempts
from funcsvc.web.access.keys import AccessKeys
from funcsvc.web.access.signature import ALGORITHM, SignedRequest, check_signature
from funcsvc.web.bodies import read_body


class Doorkeeper:
    """Checks requests before their views do. Made once, shared by all threads."""

    def __init__(self, settings: Settings, attempts: FailedAttempts) -> None:
        self._keys = AccessKeys(settings.all_access_keys)
        self._settings = settings
        self._attempts = attempts
        self._trusted = [ipaddress.ip_network(one) for one in settings.trusted_proxies]

    def check_host(self) -> None:
        """Raise WrongHost if a page of another site could have made a browser send the request.

        Without keys, every request that arrives on loopback is answered. A browser sends one for
        any page whose host name resolves to loopback (DNS rebinding), but with that name in Host.
        """
        if self._keys or self._settings.proxy_guards:
            return
        if not is_loopback(host_name(request.environ.get("HTTP_HOST", ""))):
            raise WrongHost(request.environ.get("HTTP_HOST", ""))

    def check_access(self) -> None:
        """Raise Unauthorized if keys are configured and the request shows no valid one.

        Also raises WrongOrigin, and TooManyAttempts instead of Unauthorized for an address that
        has failed too often. A valid key passes all the same, since many clients can share an
        address: that of a proxy.
        """
        _check_origin()
        if not self._keys:
            return
        scheme, _, credentials = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic" and scheme != ALGORITHM:
            raise Unauthorized(
                f"An access key is needed: Authorization must be Basic or {ALGORITHM}."
            )
        try:
            self._check_credentials(scheme, credentials)
        except Unauthorized as error:
            address = limited_address(client_address(request.environ, self._trusted))
            self._attempts.add(address, error.access_key)
            raise

    def _check_credentials(self, scheme: str, credentials: str) -> None:
        if scheme == ALGORITHM:
            check_signature(credentials, _signed(), _body, self._keys, datetime.now(UTC))
        else:
            self._keys.check_basic(credentials.strip())


def _check_origin() -> None:
    """Raise WrongOrigin if a page of another site made a browser send the request (CSRF).

    A request without a body needs no Content-Type, so that a browser sends it without a preflight,
    and adds the Basic credentials that it knows. But it says where the page is from.
    """
    environ = request.environ
    if environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS"):
        return
    origin = environ.get("HTTP_ORIGIN", "")
    is_elsewhere = environ.get("HTTP_SEC_FETCH_SITE", "") in ("cross-site", "same-site")
    if is_elsewhere or (origin and origin.partition("://")[2] != environ.get("HTTP_HOST", "")):
        raise WrongOrigin(origin)


def _body() -> bytes:
    return read_body(request, MAX_DEFINITION_BYTES)


def _signed() -> SignedRequest:
    environ = request.environ
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_MD5"):
        if name in environ:
            headers[name.lower().replace("_", "-")] = environ[name]
    return SignedRequest(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"].encode("latin-1"),
        query=environ.get("QUERY_STRING", "").encode("latin-1"),
        headers=headers,
    )
