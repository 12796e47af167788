"""The verdict on a signed request, and the messages that it can have."""

from __future__ import annotations

from datetime import UTC, datetime

from funcsvc.model.errors import Unauthorized
from funcsvc.web.access.keys import AccessKeys
from funcsvc.web.access.signature import SignedRequest, check_signature
from tests.signing import KEY, SECRET, headers_of

KEYS = AccessKeys({KEY: SECRET, "other": "other-secret"})
NOW = datetime(2017, 3, 16, 7, 5, 24, tzinfo=UTC)

WRONG = "The signature is wrong."
UNKNOWN_KEY = "The access key is unknown."
BAD_SCOPE = "The Credential is not <access key>/<date>/<region>/hyper/hyper_request."
BAD_DATE = "X-Hyper-Date is not in the form 20060102T150405Z."
OLD_DATE = "X-Hyper-Date is more than five minutes off."
OTHER_DATE = "The date of the Credential is not that of X-Hyper-Date."
BAD_HASH = "X-Hyper-Content-Sha256 is not the SHA-256 of the body."
BAD_HEADERS = (
    "The signed headers are not content-type, content-md5, host and every x-hyper-* "
    "that the request has, in order."
)


def verdict(  # the parts of a request
    authorization: str,
    path: str = "/v1.23/funcs",
    query: str = "",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    now: datetime = NOW,
) -> str:
    """Return the message of the refusal of a request, or `ok`."""
    headers = headers_of(body) if headers is None else headers
    request = SignedRequest(method, path.encode(), query.encode(), headers)
    try:
        check_signature(authorization, request, lambda: body, KEYS, now)
    except Unauthorized as error:
        return error.message
    return "ok"
