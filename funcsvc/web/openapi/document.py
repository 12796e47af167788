"""The whole OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask

from funcsvc import __version__
from funcsvc.web.openapi.func_schemas import func_schemas
from funcsvc.web.openapi.parts import Component, Json
from funcsvc.web.openapi.paths import TAGS, make_paths
from funcsvc.web.openapi.security import SECURITY_SCHEMES

_DESCRIPTION = """\
A self-hosted function service: any Docker image is a function.

Paths with the tag `funcs` or `images`, `/_ping` and `/version` are served with and without a
version prefix: `/funcs`, `/v1.23/funcs`, or any other `/v<major>.<minor>`. GET paths also answer
HEAD, except those that call a function.

Paths with the tag `calls` have no version prefix, and accept a body of any type. On all other paths
a body needs `Content-Type: application/json`, and must be one JSON object in UTF-8. Repeated keys,
NaN, numbers beyond 64 bits, NUL characters, lone surrogates and more than 32 levels of nesting are
rejected. In a request, null always means absent. In an answer, absent and empty options are left
out. Times are in UTC, with milliseconds.

Some rules can't be expressed in the schemas. Also rejected are an image that can't be obtained, a
size that the engine can't hold, a definition without a command if the image has none either, a port
that is given twice, a port range that ends before it begins, an image name of more than 255
characters, and whatever the operator forbids.
"""


class NameTaken(Exception):
    """Raised when views give two different parts of the document the same name."""


def make_document(app: Flask, *, needs_keys: bool) -> Json:
    """Return the OpenAPI document. `needs_keys` says whether access keys are configured.

    Raises Undescribed if a view of the application has no description, and NameTaken.
    """
    paths = make_paths(app)
    either: list[dict[str, list[str]]] = [{name: []} for name in SECURITY_SCHEMES]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "funcsvc",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This service, without a version prefix."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        **({"security": either} if needs_keys else {}),
        "paths": paths,
        "components": _components(paths),
    }


def _components(paths: Json) -> Json:
    """Return what the paths refer to, by kind and name. Raises NameTaken."""
    components: Json = {"schemas": func_schemas(), "securitySchemes": SECURITY_SCHEMES}
    for component in _referred(paths):
        alike = components.setdefault(component.kind, {})
        if alike.setdefault(component.name, component.content) != component.content:
            raise NameTaken(f"Two {component.kind} are named {component.name}.")
    return components


def _referred(part: Any) -> Iterator[Component]:
    """Yield every component in a part, at any depth."""
    if isinstance(part, Component):
        yield part
        yield from _referred(part.content)
    elif isinstance(part, dict):
        for below in part.values():
            yield from _referred(below)
    elif isinstance(part, list):
        for below in part:
            yield from _referred(below)
