"""The document as a whole."""

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

Every path with the tag `funcs` or `images`, and `/_ping` and `/version`, is served with and without
a version prefix: `/funcs`, `/v1.23/funcs`, any `/v<major>.<minor>`. GET paths answer HEAD, too.

Paths with the tag `calls` have no version prefix, and take a body of any type. All others want
`Content-Type: application/json` for a body. It is one JSON object in UTF-8: repeated keys, NaN,
numbers beyond 64 bits, NUL characters, lone surrogates and more than 32 levels of nesting are
refused. In a request null means absent, everywhere; in an answer, absent and empty options are left
out. Times are UTC, with milliseconds.

What no schema can say is refused, too: an image that is missing and can't be pulled, a size that
the engine can't hold, a definition without a command whose image has none, a port that is given
twice, a range of ports that ends before it begins, an image name of more than 255 characters, and
whatever the operator forbids.
"""


class NameTaken(Exception):
    """Raised when views name two different parts of the document alike."""


def make_document(app: Flask, *, needs_keys: bool) -> Json:
    """Return the OpenAPI document; `needs_keys` is whether access keys are configured.

    Raises Undescribed when a view of the application has no description, and NameTaken.
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
    """Return what the paths refer to, by kind; raises NameTaken."""
    components: Json = {"schemas": func_schemas(), "securitySchemes": SECURITY_SCHEMES}
    for component in _referred(paths):
        alike = components.setdefault(component.kind, {})
        if alike.setdefault(component.name, component.content) != component.content:
            raise NameTaken(f"Two {component.kind} are named {component.name}.")
    return components


def _referred(part: Any) -> Iterator[Component]:
    """Yield every component below a part, and those below them."""
    if isinstance(part, Component):
        yield part
        yield from _referred(part.content)
    elif isinstance(part, dict):
        for below in part.values():
            yield from _referred(below)
    elif isinstance(part, list):
        for below in part:
            yield from _referred(below)
