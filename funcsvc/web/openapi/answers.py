"""Answers and path parameters that several views, or all of them, have in common."""

from __future__ import annotations

from collections.abc import Mapping

from funcsvc.model.errors import (
    BodyTooLarge,
    CallNotFound,
    DefinitionTooLarge,
    FuncNotFound,
    InvalidDefinition,
    StoreUnavailable,
    TooManyAttempts,
    TooManyPulls,
    TooManyWaits,
    Unauthorized,
)
from funcsvc.schemas import MAX_DEFINITION_BYTES, MAX_STORED_BYTES
from funcsvc.web.openapi.examples import CALL_ID, FUNC
from funcsvc.web.openapi.parts import ERROR, Component, Errors, error_answer, json_content

_MAX_DEFINITION_KIB = MAX_DEFINITION_BYTES // 1024

PATH_PARAMETERS: Mapping[str, tuple[str, str]] = {
    "name": ("The function's name.", FUNC["Name"]),
    "uuid": ("The function's UUID, which is secret.", FUNC["UUID"]),
    "call_id": ("The CallId of a call.", CALL_ID),
}
"""The default description and example of each variable in URL rules."""

NO_FUNC: Errors = {FuncNotFound("helloworld"): "There is no function of that name."}
NO_CALL: Errors = {CallNotFound(CALL_ID): "There is no such call."}
NO_REDIS: Errors = {
    StoreUnavailable("it can't be reached"): "Redis can't be used, or the service has a bug. "
    "Nothing was stored."
}
TOO_LARGE: Errors = {
    BodyTooLarge(MAX_DEFINITION_BYTES): f"The definition is over {_MAX_DEFINITION_KIB} KiB.",
    DefinitionTooLarge(MAX_STORED_BYTES): "Written out in full, the definition is over "
    f"{MAX_STORED_BYTES // 1024} KiB.",
}
PULLS_ARE_BUSY: Errors = {
    TooManyPulls(4): "The image must be pulled, but the limit on requests that wait for pulls "
    "is reached."
}


def _shared(name: str, errors: Errors) -> Component:
    return Component("responses", name, error_answer(errors))


_KEY_NEEDED = "An access key is needed: Authorization must be Basic or HYPER-HMAC-SHA256."
_ENV_ERROR = 'Config.Env.1 is "=x", but must be VAR=value, with VAR not empty.'

PUBLIC = {
    400: _shared(
        "BadRequest",
        {
            InvalidDefinition({"Config.Env.1": [_ENV_ERROR]}): "A parameter is wrong: malformed "
            "JSON, a wrong type, an unknown field, a broken rule, a missing image, or a size that "
            "the engine can't hold. Without access keys, also a Host that isn't loopback."
        },
    ),
    503: _shared(
        "Busy",
        {
            TooManyWaits("receive long answers", 7): "The limit on requests that receive long "
            "answers, or on the bytes of requests that arrive, is reached. Nothing was stored."
        },
    ),
    414: Component(
        "responses",
        "URITooLong",
        {
            "description": "The request line is over 8190 bytes. The answer has no X-Request-Id.",
            "content": json_content(ERROR, example={"message": "The request line is too long."}),
        },
    ),
}
"""Answers that every operation can give."""

MANAGED = PUBLIC | {
    401: _shared(
        "Unauthorized",
        {
            Unauthorized(_KEY_NEEDED): "Access keys are configured, and the request doesn't have "
            "a valid one."
        },
    ),
    429: _shared(
        "TooManyAttempts",
        {
            TooManyAttempts(42): "Access keys are configured, and this address has sent wrong "
            "ones too often."
        },
    ),
    500: _shared(
        "ServerError",
        {
            StoreUnavailable("it doesn't answer"): "Redis, the Docker Engine or a registry can't "
            "be used, or the service has a bug. Nothing was stored."
        },
    ),
}
"""Answers that every operation behind access keys can give."""
