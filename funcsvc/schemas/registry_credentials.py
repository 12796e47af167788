"""Registry credentials that a client sends: as a body, or in a header. No message quotes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from funcsvc.model.errors import (
    MAX_ERRORS,
    InvalidCredentials,
    InvalidDefinition,
    InvalidParameter,
    path_below,
)
from funcsvc.schemas.json_body import parse_json_object
from funcsvc.schemas.json_schema import NULL, TEXT, JsonSchema, or_null

AUTH_HEADER = "X-Registry-Auth"
AUTH_PATTERN = r"[A-Za-z0-9_+/-]*={0,2}"
_KEYS = ("username", "password", "auth", "email", "serveraddress", "identitytoken", "registrytoken")

_STANDARD = str.maketrans("-_", "+/")
"""Turns base64url into base64; the engine and its clients take either."""

CREDENTIALS_JSON_SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {key: or_null(TEXT) for key in _KEYS},
    "additionalProperties": NULL,
}


def load_credentials(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the credentials in a JSON object, whose keys can be in any case, as at the engine.

    Raises InvalidDefinition, which doesn't quote them.
    """
    errors: dict[str, list[str]] = {}
    for key, value in document.items():
        path = path_below("", key)
        if key.lower() not in _KEYS:
            errors[path] = [f"{path} is not a known field: the fields are {', '.join(_KEYS)}."]
        elif not isinstance(value, str):
            errors[path] = [f"{path} must be a string."]
        if len(errors) > MAX_ERRORS:
            break
    if errors:
        raise InvalidDefinition(errors)
    return {key.lower(): value for key, value in document.items()}


def load_auth_header(text: str) -> dict[str, str] | None:
    """Return the credentials in X-Registry-Auth; None without one. Raises InvalidCredentials."""
    if not text:
        return None
    try:
        standard = text.rstrip("=").translate(_STANDARD)
        decoded = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        return load_credentials(parse_json_object(decoded))
    except (ValueError, InvalidParameter):
        raise InvalidCredentials(
            f"{AUTH_HEADER} is malformed, but must be base64url of a JSON object of strings, "
            f"with the fields {', '.join(_KEYS)}."
        ) from None
