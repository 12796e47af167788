"""What clients and operators ask of the service itself: ping, version, health."""

from __future__ import annotations

import json
import platform

from flask import Blueprint, Response

from funcsvc import __version__
from funcsvc.engine import WebEngine
from funcsvc.model.errors import Unavailable
from funcsvc.store import FuncStore
from funcsvc.web.answers import Answer
from funcsvc.web.http_status import error_body

API_VERSION = "1.23"
"""The version of the Docker Engine API that the contract follows."""


def make_blueprint() -> Blueprint:
    """Return the blueprint of what the Docker Engine answers too."""
    blueprint = Blueprint("system", __name__)

    @blueprint.get("/_ping")
    def ping() -> Response:
        return Response("OK", mimetype="text/plain", headers={"API-Version": API_VERSION})

    @blueprint.get("/version")
    def get_version() -> Response:
        machine = platform.machine()
        return _json(
            {
                "Platform": {"Name": "funcsvc"},
                "Version": __version__,
                "ApiVersion": API_VERSION,
                "MinAPIVersion": "1.0",
                "Os": platform.system().lower(),
                "Arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
                "KernelVersion": platform.release(),
            }
        )

    return blueprint


def make_health_blueprint(engine: WebEngine, store: FuncStore) -> Blueprint:
    """Return the blueprint of what a supervisor or a proxy asks; it has no version prefix."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def get_health() -> Response:
        return _json({"status": "alive"})

    @blueprint.get("/readyz")
    def get_readiness() -> Response:
        missing = []
        for part in (store, engine):
            try:
                part.check()
            except Unavailable as error:
                missing.append(error.message)
        if missing:
            return Answer(error_body(" ".join(missing)), status=503)
        return _json({"status": "ready"})

    return blueprint


def _json(document: dict[str, object]) -> Response:
    return Answer(json.dumps(document))
