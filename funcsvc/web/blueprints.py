"""Blueprints of the management API, each served with and without a version prefix."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask

VERSION_PREFIX = "/v<int:major>.<int:minor>"


def register_management(app: Flask, blueprint: Blueprint) -> None:
    """Serve a blueprint at `/…` and at `/v<major>.<minor>/…`. Views don't see the version."""
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name=f"versioned_{blueprint.name}", url_prefix=VERSION_PREFIX)


def drop_version(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Remove the version from a view's arguments (a url_value_preprocessor)."""
    if values:
        values.pop("major", None)
        values.pop("minor", None)
