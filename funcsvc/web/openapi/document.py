"""The document as a whole."""

from __future__ import annotations

from typing import Any

from funcsvc import __version__
from funcsvc.web.openapi import components
from funcsvc.web.openapi.call_operations import call_paths
from funcsvc.web.openapi.operations import paths

_DESCRIPTION = """\
A self-hosted function service: any Docker image is a function.

Every path with the tag `funcs` or `images`, and `/_ping` and `/version`, is served with and without
a version prefix: `/funcs`, `/v1.23/funcs`, any `/v<major>.<minor>`. GET paths answer HEAD, too.

Paths with the tag `calls` have no version prefix, and take a body of any type. All others want
`Content-Type: application/json` for a body. It is one JSON object in UTF-8: repeated keys, NaN,
numbers beyond 64 bits, NUL characters, lone surrogates and more than 32 levels of nesting are
refused. In a request null means absent, everywhere; in an answer, absent and empty options are left
out. Times are UTC, with milliseconds.

What no schema can say is refused, too: an image that can't be had, a size that the engine can't
hold, a definition without a command whose image has none, a port that is given twice, a range of
ports that ends before it begins, an image name of more than 255 characters, and whatever the
operator forbids.
"""


def make_document(*, needs_keys: bool) -> dict[str, Any]:
    """Return the OpenAPI document; `needs_keys` is whether access keys are configured."""
    either: list[dict[str, list[str]]] = [{name: []} for name in components.SECURITY_SCHEMES]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "funcsvc",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This service, without a version prefix."}],
        "tags": [
            {"name": "funcs", "description": "Functions."},
            {"name": "calls", "description": "Calls. The UUID in their path is the key."},
            {"name": "images", "description": "Images, as the engine itself speaks of them."},
            {"name": "system", "description": "The service itself."},
        ],
        **({"security": either} if needs_keys else {}),
        "paths": {**paths(), **call_paths()},
        "components": {
            "schemas": components.schemas(),
            "responses": components.ANSWERS,
            "headers": components.HEADERS,
            "securitySchemes": components.SECURITY_SCHEMES,
        },
    }
