"""Definitions that can't start are 400 at their creation and at a change, and nothing is stored."""

from __future__ import annotations

import json

import pytest

from funcsvc.model import MAX_ARGUMENT_BYTES, Image, argument_bytes
from funcsvc.model.errors import EngineUnavailable
from tests.api.conftest import make_client
from tests.fakes import FakeEngine, FakeFuncStore

ENV = [f"V{number:02}={'x' * 96_000}" for number in range(20)]
ROOM = MAX_ARGUMENT_BYTES - argument_bytes([*ENV, "sh", "A="])


@pytest.fixture
def engine() -> FakeEngine:
    """An engine whose image has variables that leave little room."""
    return FakeEngine({"laden": Image("sha256:1", cmd=["sh"], entrypoint=[], env=ENV)})


def test_create_counts_what_the_image_adds(engine):
    store = FakeFuncStore()
    client = make_client(store, engine)
    for more, status in ((1, 400), (0, 201)):
        config = {"Image": "laden", "Env": ["A=" + "x" * (ROOM + more)]}
        answer = client.post("/funcs/create", json={"Name": "f", "Config": config})
        assert answer.status_code == status
    assert len(store.definitions) == 1


def test_update_of_env_counts_what_the_image_adds(engine):
    store = FakeFuncStore()
    client = make_client(store, engine)
    client.post("/funcs/create", json={"Name": "f", "Config": {"Image": "laden"}})
    before = store.definitions["f"]
    refused = client.put("/funcs/f", json={"Config": {"Env": ["A=" + "x" * (ROOM + 1)]}})
    assert refused.status_code == 400
    assert refused.get_json()["errors"] == {
        "Config.Env": [
            f"Config.Env takes {MAX_ARGUMENT_BYTES + 1} bytes together with Config.Entrypoint, "
            f"Config.Cmd and what the image adds, but must take at most {MAX_ARGUMENT_BYTES}."
        ]
    }
    assert store.definitions["f"] == before
    taken = client.put("/funcs/f", json={"Config": {"Env": ["A=" + "x" * ROOM]}})
    assert (taken.status_code, len(json.loads(store.definitions["f"])["Config"]["Env"])) == (200, 1)


def test_update_that_changes_env_needs_the_engine_but_no_other_update_does(engine):
    store = FakeFuncStore()
    client = make_client(store, engine)
    client.post("/funcs/create", json={"Name": "f", "Config": {"Image": "laden"}})
    engine.fail_with(EngineUnavailable("it is a fake"))
    assert client.put("/funcs/f", json={"Config": {"Env": ["A=1"]}}).status_code == 500
    assert client.put("/funcs/f", json={"Config": {"Env": []}}).status_code == 200
    assert client.put("/funcs/f", json={"Timeout": 7}).status_code == 200
