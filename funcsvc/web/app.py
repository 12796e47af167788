"""The WSGI application, put together from settings, stores, engine and blueprints."""

from __future__ import annotations

from flask import Flask

from funcsvc.config import Settings
from funcsvc.engine import DockerWebEngine, WebEngine
from funcsvc.process import read_settings
from funcsvc.store import Stores, open_stores
from funcsvc.web import answers, blueprints, funcs, images, system
from funcsvc.web.access.doorkeeper import Doorkeeper
from funcsvc.web.bodies import check_type_of_body
from funcsvc.web.calls import views as call_views
from funcsvc.web.clients import count_for_management
from funcsvc.web.image_removal import ImageRemover
from funcsvc.web.logs import views as log_views
from funcsvc.web.openapi import views as docs
from funcsvc.web.readiness import HEALTH_THREADS


def create_app(
    settings: Settings | None = None,
    stores: Stores | None = None,
    engine: WebEngine | None = None,
) -> Flask:
    """Return the WSGI application. It connects to nothing before the first request.

    Raises InvalidSettings if the environment has a setting that can't be used.
    """
    settings = settings or read_settings()
    stores = stores or open_stores(
        settings,
        max_threads=settings.threads + HEALTH_THREADS,
        max_blocked=settings.wait_threads + settings.follow_threads,
    )
    engine = engine or DockerWebEngine(settings)
    doorkeeper = Doorkeeper(settings, stores.attempts)

    app = Flask("funcsvc", static_folder=None)
    app.url_map.merge_slashes = False  # merging would redirect, with a page of HTML
    app.url_value_preprocessor(blueprints.drop_version)
    app.before_request(doorkeeper.check_host)
    for blueprint in (
        funcs.make_blueprint(settings.policy, engine, stores),
        images.make_blueprint(
            settings.policy, engine, ImageRemover(settings, engine, stores.funcs)
        ),
        system.make_blueprint(engine),
    ):
        blueprint.before_request(doorkeeper.check_access)
        blueprint.before_request(count_for_management)
        blueprint.before_request(check_type_of_body)
        blueprints.register_management(app, blueprint)
    app.register_blueprint(call_views.make_blueprint(settings, stores))
    app.register_blueprint(log_views.make_blueprint(settings, stores))
    app.register_blueprint(system.make_health_blueprint(engine, stores.funcs))
    app.register_blueprint(docs.make_blueprint(needs_keys=bool(settings.all_access_keys)))
    answers.register_answers(app)
    return app
