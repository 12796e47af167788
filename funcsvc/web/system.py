"""The service itself: ping, version, and health checks."""

from __future__ import annotations

import json
import platform
from functools import partial

from flask import Blueprint, Response

from funcsvc import __version__
from funcsvc.engine import WebEngine
from funcsvc.model.errors import EngineUnavailable, Unavailable
from funcsvc.store import FuncStore
from funcsvc.web.answers import Answer
from funcsvc.web.http_status import error_body
from funcsvc.web.openapi import (
    Json,
    answer,
    error_answer,
    header,
    json_answer,
    named_schema,
    operation,
)
from funcsvc.web.readiness import SharedLook

API_VERSION = "1.23"
"""The version of the Docker Engine API that the contract follows."""


def make_blueprint(engine: WebEngine) -> Blueprint:
    """Return the blueprint of the paths that the Docker Engine serves, too."""
    blueprint = Blueprint("system", __name__)

    @blueprint.get("/_ping")
    @operation("Ping the service, as with the Docker Engine.", answers={200: _PONG})
    def ping() -> Response:
        return Response("OK", mimetype="text/plain", headers={"API-Version": API_VERSION})

    @blueprint.get("/version")
    @operation("Get versions, as with the Docker Engine.", answers={200: _VERSIONS})
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

    @blueprint.get("/info")
    @operation(
        "Get what the engine says of itself, as with the Docker Engine.",
        description="Without what tells of its host, such as names, labels and paths.",
        answers={200: _INFO},
    )
    def get_info() -> Response:
        return _json(engine.get_info())

    return blueprint


def make_health_blueprint(engine: WebEngine, store: FuncStore) -> Blueprint:
    """Return the blueprint of the health checks, which have no version prefix."""
    blueprint = Blueprint("health", __name__)
    readiness = SharedLook(partial(_find_missing, engine, store))

    @blueprint.get("/healthz")
    @operation("Check whether the process is alive.", answers={200: _ALIVE})
    def get_health() -> Response:
        return _json({"status": "alive"})

    @blueprint.get("/readyz")
    @operation("Check whether Redis and the engine answer.", answers={200: _READY, 503: _NOT_READY})
    def get_readiness() -> Response:
        missing = readiness.get()
        if missing:
            return Answer(error_body(" ".join(missing)), status=503)
        return _json({"status": "ready"})

    return blueprint


def _find_missing(engine: WebEngine, store: FuncStore) -> list[str]:
    missing = []
    for part in (store, engine):
        try:
            part.check()
        except Unavailable as error:
            missing.append(error.message)
    return missing


def _json(document: dict[str, object]) -> Response:
    return Answer(json.dumps(document))


def _texts(*keys: str) -> Json:
    """Return the schema of an object with a non-empty string under each key."""
    texts = {key: {"type": "string", "minLength": 1} for key in keys}
    return {"type": "object", "properties": texts, "required": list(keys)}


_COUNT = {"type": "integer", "minimum": 0}
_PONG = answer(
    "The service answers.",
    {"text/plain": {"schema": {"type": "string", "const": "OK"}, "example": "OK"}},
    header("API-Version", {"type": "string"}),
)
_VERSIONS = json_answer(
    "The versions.",
    named_schema(
        "Version",
        _texts("Version", "ApiVersion", "MinAPIVersion", "Os", "Arch", "KernelVersion")
        | {"additionalProperties": True},
    ),
    {
        "Platform": {"Name": "funcsvc"},
        "Version": "0.1.0",
        "ApiVersion": "1.23",
        "MinAPIVersion": "1.0",
        "Os": "linux",
        "Arch": "amd64",
        "KernelVersion": "6.1.0",
    },
)
_INFO = json_answer(
    "What the engine says.",
    named_schema(
        "Info",
        {
            "type": "object",
            "properties": dict.fromkeys(("Containers", "Images", "NCPU", "MemTotal"), _COUNT)
            | {"ServerVersion": {"type": "string"}},
            "required": ["NCPU", "MemTotal"],
            "additionalProperties": {"type": ["string", "integer", "boolean"]},
        },
    ),
    {
        "Containers": 3,
        "Images": 7,
        "Driver": "overlay2",
        "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
        "Architecture": "x86_64",
        "NCPU": 8,
        "MemTotal": 16777216000,
        "ServerVersion": "26.1.5",
    },
)
_STATUS = named_schema("Status", _texts("status"))
_ALIVE = json_answer("The process is alive.", _STATUS, {"status": "alive"})
_READY = json_answer("Redis and the engine answer.", _STATUS, {"status": "ready"})
_NOT_READY = error_answer(
    {EngineUnavailable("it doesn't answer"): "Redis or the engine doesn't answer: see the message."}
)
