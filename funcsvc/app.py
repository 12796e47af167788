"""The application: settings, store, engine, blueprints, errors."""

from __future__ import annotations

import os

from flask import Flask

from funcsvc.api import answers, blueprints, funcs, system
from funcsvc.config import Settings, load_settings
from funcsvc.engine import Engine
from funcsvc.redis_keys import RedisKeys
from funcsvc.schemas import FuncSchema
from funcsvc.store import FuncStore, RedisClient


def create_app(
    settings: Settings | None = None,
    store: FuncStore | None = None,
    engine: Engine | None = None,
) -> Flask:
    """Return the WSGI application. Nothing is connected to until the first request.

    Raises InvalidSettings when the environment holds a setting that can't be used.
    """
    settings = settings or load_settings(os.environ)
    store = store or make_store(settings)
    engine = engine or Engine(settings)

    app = Flask("funcsvc", static_folder=None)
    app.url_map.merge_slashes = False  # it would answer with a redirect, as a page of HTML
    app.url_value_preprocessor(blueprints.drop_version)
    blueprints.register_management(
        app, funcs.make_blueprint(FuncSchema(settings.policy), engine, store)
    )
    blueprints.register_management(app, system.make_blueprint())
    app.register_blueprint(system.make_health_blueprint(engine, store))
    answers.register_answers(app)
    return app


def make_store(settings: Settings) -> FuncStore:
    """Return the store that the settings name."""
    client = RedisClient(
        settings.redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        max_connections=settings.threads,
    )
    return FuncStore(client, RedisKeys(settings.redis_prefix))
