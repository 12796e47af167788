"""Signed requests: AWS Signature Version 4, with the names of Hyper Func.

As in "Create a signed request" of the AWS General Reference, with the algorithm
HYPER-HMAC-SHA256, the key prefix HYPER and the scope <date>/<region>/hyper/hyper_request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from funcsvc.model.errors import Unauthorized
from funcsvc.web.access.keys import AccessKeys

ALGORITHM = "HYPER-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=5)
MAX_QUERY_FIELDS = 100

_CREDENTIAL = re.compile(r"([^/,]+)/(\d{8})/([^/,]+)/hyper/hyper_request")
_DATE = re.compile(r"\d{8}T\d{6}Z")
_SIGNED = ("content-type", "content-md5", "host")
_SIGNED_PREFIX = "x-hyper-"


@dataclass(frozen=True)
class SignedRequest:
    """The signed parts of a request. `path` is decoded; header names are lower case."""

    method: str
    path: bytes
    query: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Authorization:
    access_key: str
    date: str
    region: str
    signed_headers: str
    signature: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/hyper/hyper_request"


def check_signature(
    authorization: str,
    request: SignedRequest,
    read_body: Callable[[], bytes],
    keys: AccessKeys,
    now: datetime,
) -> None:
    """Raise Unauthorized, saying what is wrong, unless the request is signed with a known key.

    `authorization` is what follows the algorithm in the Authorization header. The body is read
    only if the date, the key and the list of signed headers are right.
    """
    parsed = _parse(authorization)
    try:
        _check(parsed, request, read_body, keys, now)
    except Unauthorized as error:
        known_key = parsed.access_key if parsed.access_key in keys else ""
        raise Unauthorized(error.message, known_key) from None


def _check(
    parsed: _Authorization,
    request: SignedRequest,
    read_body: Callable[[], bytes],
    keys: AccessKeys,
    now: datetime,
) -> None:
    date = _check_date(request.headers.get("x-hyper-date", ""), parsed.date, now)
    secret = keys.get_secret(parsed.access_key)
    if parsed.signed_headers != ";".join(_headers_to_sign(request)):
        raise Unauthorized(
            "The signed headers are not content-type, content-md5, host and every x-hyper-* "
            "that the request has, in order."
        )
    said_hash = request.headers.get("x-hyper-content-sha256", "")
    body_hash = hashlib.sha256(read_body()).hexdigest()
    if not hmac.compare_digest(body_hash.encode(), said_hash.encode()):
        raise Unauthorized("X-Hyper-Content-Sha256 is not the SHA-256 of the body.")
    expected = [
        _signature(secret, parsed, date, canonical)
        for canonical in _canonical_requests(request, body_hash)
    ]
    if not any(hmac.compare_digest(one, parsed.signature.encode()) for one in expected):
        raise Unauthorized("The signature is wrong.")


def _parse(authorization: str) -> _Authorization:
    parts = dict(
        part.strip().partition("=")[::2] for part in authorization.split(",") if "=" in part
    )
    credential = _CREDENTIAL.fullmatch(parts.get("Credential", ""))
    if not credential:
        raise Unauthorized(
            "The Credential is not <access key>/<date>/<region>/hyper/hyper_request."
        )
    access_key, date, region = credential.groups()
    return _Authorization(
        access_key, date, region, parts.get("SignedHeaders", ""), parts.get("Signature", "")
    )


def _check_date(date: str, scope_date: str, now: datetime) -> str:
    try:
        if not _DATE.fullmatch(date):
            raise ValueError
        time = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Unauthorized("X-Hyper-Date is not in the form 20060102T150405Z.") from None
    if abs(now - time) > MAX_SKEW:
        raise Unauthorized("X-Hyper-Date is more than five minutes off.")
    if not date.startswith(scope_date):
        raise Unauthorized("The date of the Credential is not that of X-Hyper-Date.")
    return date


def _headers_to_sign(request: SignedRequest) -> list[str]:
    return sorted(
        name for name in request.headers if name in _SIGNED or name.startswith(_SIGNED_PREFIX)
    )


def _canonical_requests(request: SignedRequest, body_hash: str) -> set[str]:
    """Return the canonical request with the query sorted as by AWS and as by Hyper's client.

    They differ if the query repeats a key: AWS also sorts its values.
    """
    names = _headers_to_sign(request)
    headers = "".join(f"{name}:{_header(request, name)}\n" for name in names)
    try:
        fields = parse_qsl(
            request.query.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",  # one character per byte, both ways
            max_num_fields=MAX_QUERY_FIELDS,
        )
    except ValueError:
        raise Unauthorized(f"The query has more than {MAX_QUERY_FIELDS} fields.") from None
    pairs = [(_quoted(key), _quoted(value)) for key, value in fields]
    orders = (sorted(pairs), sorted(pairs, key=lambda pair: pair[0]))
    return {
        "\n".join(
            (
                request.method,
                _path(request.path),
                "&".join(f"{key}={value}" for key, value in order),
                headers,
                ";".join(names),
                body_hash,
            )
        )
        for order in orders
    }


def _header(request: SignedRequest, name: str) -> str:
    value = request.headers[name].strip()
    if name == "host":
        host, _, port = value.rpartition(":")
        return host if port in ("80", "443") and host else value
    return value


def _path(path: bytes) -> str:
    return "/".join(_quoted(segment) for segment in path.decode("latin-1").split("/") if segment)


def _quoted(value: str) -> str:
    return quote(value, safe="-_.~", encoding="latin-1")


def _signature(secret: str, parsed: _Authorization, date: str, canonical: str) -> bytes:
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = "\n".join((ALGORITHM, date, parsed.scope, digest))
    key = f"HYPER{secret}".encode()
    for part in (parsed.date, parsed.region, "hyper", "hyper_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex().encode()
