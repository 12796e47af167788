"""GET /openapi.json, and GET /docs, the page that shows it. Both are public and made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, current_app, request

from funcsvc.model.errors import NotFound
from funcsvc.web.openapi.description import operation
from funcsvc.web.openapi.document import make_document
from funcsvc.web.openapi.parts import answer, header, json_answer

_PAGE = "docs.html"
_TYPES = {"css": "text/css", "js": "text/javascript", "html": "text/html", "txt": "text/plain"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing from other hosts, and nothing inline."""


@dataclass(frozen=True)
class _Asset:
    """A file, ready to be sent."""

    content: bytes
    mimetype: str
    etag: str

    def answer(self) -> Response:
        """Return the file, or 304 if the client already has it."""
        response = Response(self.content, mimetype=self.mimetype)
        response.headers["Cache-Control"] = "no-cache"  # may be cached, but must be revalidated
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = _POLICY
        response.set_etag(self.etag)
        response.make_conditional(request)
        return response


def make_blueprint(*, needs_keys: bool) -> Blueprint:
    """Return the blueprint of the description. `needs_keys` says whether the API needs keys."""
    blueprint = Blueprint("docs", __name__)
    assets = _read_assets()

    @cache  # made on the first request, when every view is registered
    def document() -> _Asset:
        return _asset(_json(make_document(current_app, needs_keys=needs_keys)), "application/json")

    @blueprint.get("/openapi.json")
    @operation("Get this description.", answers={200: _DESCRIPTION})
    def get_openapi() -> Response:
        return document().answer()

    @blueprint.get("/docs")
    @operation("Read this description as a page.", answers={200: _DOCS})
    def get_docs() -> Response:
        return assets[_PAGE].answer()

    @blueprint.get("/docs/<asset>")
    @operation(
        "Get a file that the page needs.",
        path={"asset": ("The name of a file.", "swagger-ui.css")},
        answers={200: _PART},
        errors={NotFound("There is nothing at this path."): "There is no such file."},
    )
    def get_docs_asset(asset: str) -> Response:
        return assets[asset].answer() if asset in assets and asset != _PAGE else abort(404)

    return blueprint


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _asset(content: bytes, mimetype: str) -> _Asset:
    return _Asset(content, mimetype, sha256(content).hexdigest()[:32])


@cache  # a second application in the process, as in tests, shares the files
def _read_assets() -> dict[str, _Asset]:
    folder = files(__package__).joinpath("page")
    return {
        file.name: _asset(file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }


_ETAG = header("ETag", {"type": "string"}, description="Identifies the content, for If-None-Match.")
_CACHE_CONTROL = header("Cache-Control", {"type": "string"})
_DESCRIPTION = json_answer("OpenAPI 3.1.", {"type": "object"}, {"openapi": "3.1.0"}, _ETAG)
_DOCS = answer(
    "A page that shows this description.",
    {"text/html": {"schema": {"type": "string"}}},
    _ETAG,
    _CACHE_CONTROL,
    header("Content-Security-Policy", {"type": "string"}),
)
_PART = answer(
    "A style sheet, script or licence of the page.",
    {f"text/{kind}": {"schema": {"type": "string"}} for kind in ("css", "javascript", "plain")},
    _ETAG,
    _CACHE_CONTROL,
)
