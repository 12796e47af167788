"""The ways to send an access key."""

from __future__ import annotations

from funcsvc.web.openapi.parts import Json

SECURITY_SCHEMES: Json = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The access key as the user, its secret key as the password.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": (
            "AWS Signature Version 4 with other names: `HYPER-HMAC-SHA256 "
            "Credential=<key>/<date>/<region>/hyper/hyper_request, SignedHeaders=<names>, "
            "Signature=<hex>`. The key prefix is `HYPER`. The headers are `X-Hyper-Date` "
            "(`20060102T150405Z`, at most five minutes off) and `X-Hyper-Content-Sha256` (the hex "
            "SHA-256 of the body). The signed headers are content-type, content-md5, host and "
            "every x-hyper-*. The canonical host has its port unless that is 80 or 443. The "
            "canonical path has no empty segments and no leading slash. The canonical query is "
            "sorted, with spaces as `%20`."
        ),
    },
}
