"""The application: settings, store, engine, blueprints, errors."""

from __future__ import annotations

import os

from flask import Flask

from funcsvc.config import Settings, load_settings
from funcsvc.engine import WebEngine
from funcsvc.store import (
    BlockingClient,
    CallStore,
    EventLog,
    FailedAttempts,
    FuncStore,
    RedisClient,
    RedisKeys,
    make_pool,
)
from funcsvc.web import answers, blueprints, funcs, images, system
from funcsvc.web.access.doorkeeper import Doorkeeper
from funcsvc.web.calls import views as call_views
from funcsvc.web.logs import views as log_views
from funcsvc.web.openapi import views as docs


def create_app(
    settings: Settings | None = None,
    store: FuncStore | None = None,
    engine: WebEngine | None = None,
    calls: CallStore | None = None,
    events: EventLog | None = None,
) -> Flask:
    """Return the WSGI application. Nothing is connected to until the first request.

    Raises InvalidSettings when the environment holds a setting that can't be used.
    """
    settings = settings or load_settings(os.environ)
    client = make_client(settings)
    keys = RedisKeys(settings.redis_prefix)
    store = store or FuncStore(client, keys)
    engine = engine or WebEngine(settings)
    blocking = BlockingClient(settings, settings.wait_threads + settings.follow_threads)
    calls = calls or CallStore(client, blocking, settings)
    events = events or EventLog(client, blocking, keys)
    pool = make_pool(settings.redis_url, settings.redis_timeout_seconds, settings.threads)
    doorkeeper = Doorkeeper(settings, FailedAttempts(pool, keys, settings.failed_attempts))

    app = Flask("funcsvc", static_folder=None)
    app.url_map.merge_slashes = False  # it would answer with a redirect, as a page of HTML
    app.url_value_preprocessor(blueprints.drop_version)
    app.before_request(doorkeeper.check_host)
    for blueprint in (
        funcs.make_blueprint(settings.policy, engine, store, calls),
        images.make_blueprint(settings.policy, engine),
        system.make_blueprint(),
    ):
        blueprint.before_request(doorkeeper.check_access)
        blueprints.register_management(app, blueprint)
    app.register_blueprint(call_views.make_blueprint(settings, store, calls))
    app.register_blueprint(log_views.make_blueprint(settings, store, calls, events))
    app.register_blueprint(system.make_health_blueprint(engine, store))
    app.register_blueprint(docs.make_blueprint(needs_keys=bool(settings.all_access_keys)))
    answers.register_answers(app)
    return app


def make_client(settings: Settings) -> RedisClient:
    """Return a client of the Redis that the settings name."""
    return RedisClient(
        settings.redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        max_connections=settings.threads,
    )
