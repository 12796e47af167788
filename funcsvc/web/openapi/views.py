"""GET /openapi.json, and GET /docs, the page that shows it. Both are made once, and are public."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, request

from funcsvc.web.openapi.document import make_document

_PAGE = "docs.html"
_TYPES = {"css": "text/css", "js": "text/javascript", "html": "text/html", "txt": "text/plain"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Nothing from elsewhere, and nothing inline."""


@dataclass(frozen=True)
class _Asset:
    """A file as it is answered."""

    content: bytes
    mimetype: str
    etag: str

    def answer(self) -> Response:
        """Return the file, or 304 to a client that has it already."""
        response = Response(self.content, mimetype=self.mimetype)
        response.headers["Cache-Control"] = "no-cache"  # keep it, and ask whether it is current
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = _POLICY
        response.set_etag(self.etag)
        response.make_conditional(request)
        return response


def make_blueprint(*, needs_keys: bool) -> Blueprint:
    """Return the blueprint of the description; `needs_keys` is whether the API asks for keys."""
    blueprint = Blueprint("docs", __name__)
    document = _asset(_json(make_document(needs_keys=needs_keys)), "application/json")
    assets = _read_assets()

    @blueprint.get("/openapi.json")
    def get_openapi() -> Response:
        return document.answer()

    @blueprint.get("/docs")
    def get_docs() -> Response:
        return assets[_PAGE].answer()

    @blueprint.get("/docs/<asset>")
    def get_docs_asset(asset: str) -> Response:
        return assets[asset].answer() if asset in assets and asset != _PAGE else abort(404)

    return blueprint


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _asset(content: bytes, mimetype: str) -> _Asset:
    return _Asset(content, mimetype, sha256(content).hexdigest()[:32])


@cache  # a second application of one process, as in tests, reads no file again
def _read_assets() -> dict[str, _Asset]:
    folder = files(__package__).joinpath("page")
    return {
        file.name: _asset(file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }
