"""Requests signed by hand, as a client would sign them, without the code under test."""

from __future__ import annotations

import hashlib
import hmac

KEY, SECRET = "HYPEREXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
DATE = "20170316T070524Z"


def headers_of(body: bytes = b"", **more: str) -> dict[str, str]:
    """Return the headers of every signed request, and `more`, where `_` stands for `-`."""
    return {
        "host": "127.0.0.1:8000",
        "x-hyper-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-hyper-date": DATE,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def authorization_of(  # the parts of a signature
    canonical_path: str = "v1.23/funcs",
    canonical_query: str = "",
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    key: str = KEY,
    secret: str = SECRET,
    scope: tuple[str, str, str, str] = ("20170316", "us-west-1", "hyper", "hyper_request"),
    date: str = DATE,
) -> str:
    """Sign by hand, as "Create a signed request" of the AWS General Reference describes."""
    headers = headers_of(body) if headers is None else headers
    names = ";".join(sorted(headers))
    # step 1: the canonical request
    canonical = method + "\n" + canonical_path + "\n" + canonical_query + "\n"
    for name in sorted(headers):
        canonical += name + ":" + headers[name] + "\n"
    canonical += "\n" + names + "\n" + hashlib.sha256(body).hexdigest()
    # step 2: the string to sign
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "HYPER-HMAC-SHA256\n" + date + "\n" + "/".join(scope) + "\n" + digest
    # step 3: the signing key
    date_key = hmac.new(b"HYPER" + secret.encode(), scope[0].encode(), hashlib.sha256).digest()
    region_key = hmac.new(date_key, scope[1].encode(), hashlib.sha256).digest()
    service_key = hmac.new(region_key, scope[2].encode(), hashlib.sha256).digest()
    signing_key = hmac.new(service_key, scope[3].encode(), hashlib.sha256).digest()
    # step 4: the signature
    signature = hmac.new(signing_key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"Credential={key}/{'/'.join(scope)}, SignedHeaders={names}, Signature={signature}"
