"""The application over fakes, and a client for it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from funcsvc.config import load_settings
from funcsvc.model import MEGABYTE, Capacity, Image
from funcsvc.store import open_stores
from funcsvc.web import create_app
from tests.fakes import FakeCallStore, FakeEngine, FakeFuncStore


@pytest.fixture
def store() -> FakeFuncStore:
    """The store behind the client."""
    return FakeFuncStore()


@pytest.fixture
def engine() -> FakeEngine:
    """The engine behind the client. It has every image and can hold every size."""
    return FakeEngine(has_every_image=True)


@pytest.fixture
def calls(store) -> FakeCallStore:
    """The calls behind the client; `calls.events` is their log."""
    return FakeCallStore(store)


@pytest.fixture
def client(store, engine, calls) -> FlaskClient:
    """A client of the application over the fakes, with default settings."""
    return make_client(store, engine, calls)


def make_client(
    store, engine, calls: FakeCallStore | None = None, **environment: str
) -> FlaskClient:
    settings = load_settings(environment)
    stores = open_stores(settings)
    if store is not None:  # else the test uses the real ones
        calls = calls or FakeCallStore(store)
        stores = replace(stores, funcs=store, calls=calls, events=calls.events)
    return create_app(settings, stores, engine).test_client()


@pytest.fixture(scope="session")
def app() -> Flask:
    """The application over fakes, for tests that change nothing."""
    return make_client(FakeFuncStore(), FakeEngine(has_every_image=True)).application


@pytest.fixture(scope="session")
def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document."""
    return app.test_client().get("/openapi.json").get_json()


@pytest.fixture
def small(store):
    """A client of an engine that has one image and little memory."""
    engine = FakeEngine(
        {
            "ubuntu": Image("sha256:1", cmd=["bash"], entrypoint=[]),
            "mute": Image("sha256:2", cmd=[], entrypoint=[]),
        },
        Capacity(cpus=2, memory_bytes=2048 * MEGABYTE),
    )
    return SimpleNamespace(client=make_client(store, engine), engine=engine)
