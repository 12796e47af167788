"""What operations share: the objects, the errors, the headers, the ways to show an access key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from funcsvc.model import (
    DEFAULT_SIZE,
    DEFAULT_TIMEOUT_SECONDS,
    SIZES,
    CallStatus,
    Config,
    Func,
    HostConfig,
    parse_image_reference,
)
from funcsvc.schemas import (
    CHANGEABLE,
    EMPTY,
    FILTERS_JSON_SCHEMA,
    MAX_DEFINITION_BYTES,
    ChangesSchema,
    FuncSchema,
    answer_schemas,
    change_schemas,
    func_document,
    request_schemas,
)
from funcsvc.web.openapi import examples

Json = dict[str, Any]


def schemas() -> Json:
    """Return every object of requests and answers, made from the marshmallow schemas."""
    emptiest = func_document(_emptiest_func())
    return {
        **request_schemas(FuncSchema(), "NewFunc", emptiest),
        **change_schemas(ChangesSchema(), "ChangedFunc", CHANGEABLE, EMPTY),
        **answer_schemas(FuncSchema(), "Func", emptiest),
        "Filters": FILTERS_JSON_SCHEMA,
        "Error": _ERROR,
        "Image": _IMAGE,
        "Version": _strings("Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion")
        | {"additionalProperties": True},
        "Status": _strings("status"),
        "NewCall": _object(CallId=_CALL_ID),
        "CallPlace": _object(CallId=_CALL_ID, Status={"enum": ["Pending", "Running"]}),
        "FuncStatus": _func_status(),
    }


def _emptiest_func() -> Func:
    return Func(
        name="helloworld",
        size=SIZES[DEFAULT_SIZE],
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS,
        uuid="",
        created=datetime.now(UTC),
        config=Config(image=parse_image_reference("ubuntu")),
        host_config=HostConfig(),
    )


def _strings(*keys: str) -> Json:
    texts = {key: {"type": "string", "minLength": 1} for key in keys}
    return {"type": "object", "properties": texts, "required": list(keys)}


def _object(*optional: str, **properties: Json) -> Json:
    """Return an object of these properties and no other, required but for those named."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _func_status() -> Json:
    call = _object(
        "Message",
        "Instance",
        CallId=_CALL_ID,
        Created={"type": "string", "format": "date-time"},
        Status={"enum": [str(status) for status in CallStatus]},
        Message={"type": "string", "minLength": 1},
        Instance={"enum": ["waiting", "new"]},
    )
    counts = ("Total", "Pending", "Running", "Finished", "Failed")
    return _object(
        "List",
        **{name: {"type": "integer", "minimum": 0} for name in counts},
        List={"type": "array", "items": call},
    )


_CALL_ID: Json = {"type": "string", "format": "uuid"}
_ERROR: Json = {
    "type": "object",
    "description": "The one shape of every error.",
    "properties": {
        "message": {
            "type": "string",
            "minLength": 1,
            "description": "One sentence that names the field, the value and the rule.",
        },
        "errors": {
            "type": "object",
            "description": "Every wrong field at once, each under its dotted path.",
            "minProperties": 1,
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "minLength": 1},
            },
        },
    },
    "required": ["message"],
    "additionalProperties": False,
}
_IMAGE: Json = {
    "type": "object",
    "description": "The Docker Engine's own inspection of an image.",
    "properties": {"Id": {"type": "string"}, "Config": {"type": ["object", "null"]}},
    "required": ["Id"],
    "additionalProperties": True,
}

HEADERS: Json = {
    "X-Request-Id": {
        "description": "The request's id: the one that the request brought, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Location": {
        "description": "The path of the new function.",
        "required": True,
        "schema": {"type": "string", "pattern": "^/funcs/[-a-z0-9]+$"},
    },
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "The ways to show an access key.",
        "required": True,
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Names the content, for If-None-Match.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Cache-Control": {"required": True, "schema": {"type": "string"}},
    "Content-Security-Policy": {"required": True, "schema": {"type": "string"}},
    "X-Content-Type-Options": {"required": True, "schema": {"const": "nosniff"}},
    "API-Version": {"required": True, "schema": {"type": "string"}},
}


def headers(*names: str) -> Json:
    """Return references to headers that an answer has, X-Request-Id among them."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def error_answer(description: str, example: Json, *header_names: str) -> Json:
    """Return an answer of the one error shape."""
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}
    return {
        "description": description,
        "headers": headers(*header_names),
        "content": {"application/json": content},
    }


ANSWERS: Json = {
    "BadRequest": error_answer(
        "A bad parameter: malformed JSON, a wrong type, an unknown field, a broken rule, no such "
        "image, a size that the engine can't hold; or, without access keys, a Host that isn't "
        "loopback.",
        examples.BAD_REQUEST,
    ),
    "Unauthorized": error_answer(
        "Access keys are configured, and the request is not signed, or not with a valid key.",
        {"message": "An access key is needed: Authorization must be Basic or HYPER-HMAC-SHA256."},
        "WWW-Authenticate",
    ),
    "TooLarge": error_answer(
        f"The definition is over {MAX_DEFINITION_BYTES // 1024} KiB.",
        {
            "message": "The request body is too large: "
            f"at most {MAX_DEFINITION_BYTES} bytes are accepted."
        },
    ),
    "URITooLong": {
        "description": "The request line is over 8190 bytes. It never became a request, and so has "
        "no X-Request-Id.",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "example": {"message": "The request line is too long."},
            }
        },
    },
    "TooManyAttempts": error_answer(
        "Access keys are configured, and this address has shown a wrong one too often.",
        {
            "message": "Too many requests from this address had no valid access key: "
            "try again in 42 seconds."
        },
        "Retry-After",
    ),
    "ServerError": error_answer(
        "Redis, the Docker Engine or a registry can't be used, or a bug. Nothing was stored.",
        {"message": "Redis can't be used: it doesn't answer."},
    ),
    "Busy": error_answer(
        "The image must be pulled, and as many requests wait for pulls as may.",
        {
            "message": "The image must be pulled, but 4 requests wait for pulls already: "
            "try again in a few seconds."
        },
        "Retry-After",
    ),
}

SECURITY_SCHEMES: Json = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The access key as user, its secret key as password.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": (
            "AWS Signature Version 4 with other names: `HYPER-HMAC-SHA256 "
            "Credential=<key>/<date>/<region>/hyper/hyper_request, SignedHeaders=<names>, "
            "Signature=<hex>`. The key prefix is `HYPER`; the headers are `X-Hyper-Date` "
            "(`20060102T150405Z`, at most five minutes off) and `X-Hyper-Content-Sha256` (the hex "
            "SHA-256 of the body). Signed are content-type, content-md5, host and every x-hyper-*; "
            "the canonical host carries its port unless that is 80 or 443; the canonical path "
            "drops empty segments and has no leading slash; the canonical query is sorted, with "
            "spaces as `%20`."
        ),
    },
}
