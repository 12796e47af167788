"""Failures of Redis and the engine: answers name them, leak nothing, and nothing is stored."""

from __future__ import annotations

import json
import logging

import pytest

from funcsvc.model import errors
from funcsvc.store.translation import AnswerLost
from funcsvc.web import readiness

HELLO = {"Name": "helloworld", "Config": {"Image": "ubuntu"}}
SECRET = "secret-of-10.0.0.1"
BUG = {"message": "The service failed unexpectedly; its log says more."}


def create(client):
    return client.post("/funcs/create", json=HELLO)


def caused(error: Exception) -> Exception:
    """Return an error whose cause has a secret in its message."""
    error.__cause__ = RuntimeError(SECRET)
    return error


UNAVAILABLE = [
    (
        errors.EngineUnavailable("it can't be reached"),
        "The Docker Engine can't be used: it can't be reached.",
    ),
    (
        errors.RegistryUnavailable("docker.io", "ubuntu", "it can't be reached"),
        "The registry docker.io can't deliver the image \"ubuntu\": it can't be reached.",
    ),
]


@pytest.mark.parametrize(("error", "message"), UNAVAILABLE)
def test_engine_that_can_not_be_used_is_named(client, store, engine, error, message):
    engine.fail_with(caused(error))
    answer = create(client)
    assert (answer.status_code, answer.content_type) == (500, "application/json")
    assert answer.get_json() == {"message": message}
    assert SECRET not in answer.get_data(as_text=True)
    assert store.definitions == {}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.StoreUnavailable("its memory is full"), "Redis can't be used: its memory is full."),
        (AnswerLost(timed_out=False), "Redis can't be used: it can't be reached."),
    ],
)
def test_redis_that_can_not_be_used_is_named(client, store, error, message):
    store.fail_with(caused(error))
    answer = create(client)
    assert (answer.status_code, answer.content_type) == (500, "application/json")
    assert answer.get_json() == {"message": message}
    assert store.definitions == {}


def test_next_request_after_recovery_works(client, store, engine):
    for part, error in (
        (engine, errors.EngineUnavailable("x")),
        (store, errors.StoreUnavailable("x")),
    ):
        part.fail_with(error)
        assert create(client).status_code == 500
        part.fail_with(None)
    assert create(client).status_code == 201
    assert list(store.definitions) == ["helloworld"]


def test_busy_service_says_when_to_try_again(client, store, engine):
    engine.fail_with(errors.TooManyPulls(4))
    answer = create(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.get_json() == {
        "message": "The image must be pulled, but 4 requests are already waiting for pulls: "
        "try again in a few seconds."
    }
    assert store.definitions == {}


def test_only_a_busy_service_says_when_to_try_again(client, engine):
    engine.fail_with(errors.EngineUnavailable("x"))
    assert "Retry-After" not in create(client).headers


@pytest.mark.parametrize(
    "bug", [RuntimeError(SECRET), KeyError(SECRET), AssertionError(SECRET), OSError(5, SECRET)]
)
@pytest.mark.parametrize("part", ["store", "engine"])
def test_bug_is_answered_without_its_insides_and_logged_with_them(
    client, store, request, part, bug, caplog
):
    request.getfixturevalue(part).fail_with(bug)
    answer = create(client)
    assert (answer.status_code, answer.content_type) == (500, "application/json")
    assert answer.get_json() == BUG
    assert store.definitions == {}
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.exc_info[1] is bug
    assert answer.headers["X-Request-Id"] in record.getMessage()


@pytest.mark.parametrize("testing", [True, False])
@pytest.mark.parametrize("debug", [True, False])
def test_bug_is_answered_the_same_in_every_mode(client, engine, testing, debug):
    client.application.testing, client.application.debug = testing, debug
    engine.fail_with(RuntimeError(SECRET))
    assert (create(client).status_code, create(client).get_json()) == (500, BUG)


def test_failure_of_a_part_is_logged_without_secrets(client, store, caplog):
    store.fail_with(caused(errors.StoreUnavailable("it can't be reached")))
    answer = create(client)
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "Redis can't be used: it can't be reached." in logged
    assert answer.headers["X-Request-Id"] in logged
    assert SECRET not in logged


def test_fault_of_a_client_is_not_logged_as_one_of_ours(client, caplog):
    client.post("/funcs/create", json={"Name": "-"})
    client.get("/nowhere")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("broken", [["store"], ["engine"], ["store", "engine"]])
def test_readyz_names_what_does_not_answer(client, store, engine, broken):
    messages = {
        "store": "Redis can't be used: it can't be reached.",
        "engine": "The Docker Engine can't be used: it did not answer in time.",
    }
    if "store" in broken:
        store.fail_with(errors.StoreUnavailable("it can't be reached"))
    if "engine" in broken:
        engine.fail_with(errors.EngineUnavailable("it did not answer in time"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.content_type) == (503, "application/json")
    assert answer.get_json() == {"message": " ".join(messages[part] for part in broken)}


def test_readyz_is_ready_again_when_everything_answers(client, store, monkeypatch):
    monkeypatch.setattr(readiness, "REMEMBERED_SECONDS", -1)
    store.fail_with(errors.StoreUnavailable("x"))
    assert client.get("/readyz").status_code == 503
    store.fail_with(None)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ready"})


def test_healthz_is_alive_though_nothing_answers(client, store, engine):
    store.fail_with(errors.StoreUnavailable("x"))
    engine.fail_with(RuntimeError("x"))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert json.loads(answer.data) == {"status": "alive"}
