"""GET /images/json, DELETE /images/NAME, POST /auth, X-Registry-Auth and GET /info."""

from __future__ import annotations

import base64
import json

import pytest

from funcsvc.model import Image, errors
from tests.api.conftest import make_client
from tests.fakes import FakeEngine

PREFIXES = ["", "/v1.23"]
ID = "sha256:" + "ab" * 32
OTHER_ID = "sha256:" + "cd" * 32
TOOL = "localhost:5000/team/tool:v1"
LOGIN = {"username": "me", "password": "secret", "serveraddress": "localhost:5000"}
REMOVABLE = {"FUNCSVC_ALLOW_IMAGE_REMOVAL": "true"}


@pytest.fixture
def engine() -> FakeEngine:
    """An engine with two images, of which one has two names."""
    ubuntu = Image(ID, cmd=["bash"], entrypoint=[])
    images = {"ubuntu": ubuntu, "base:v1": ubuntu, TOOL: Image(OTHER_ID, ["tool"], [])}
    engine = FakeEngine(images)
    engine.progress = [b'{"status":"Done"}\r\n']
    return engine


@pytest.fixture
def remover(store, engine):
    """A client of a service that lets images be removed."""
    return make_client(store, engine, **REMOVABLE)


def refused(answer, status: int) -> dict:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.data
    return answer.get_json()


def create(client, image: str, name: str = "f"):
    return client.post("/funcs/create", json={"Name": name, "Config": {"Image": image}})


@pytest.mark.parametrize("prefix", PREFIXES)
def test_images_are_listed_as_the_engine_lists_them(client, engine, prefix):
    answer = client.get(f"{prefix}/images/json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == [
        {"Id": ID, "RepoTags": ["ubuntu:latest", "base:v1"], "RepoDigests": []},
        {"Id": OTHER_ID, "RepoTags": [TOOL], "RepoDigests": []},
    ]
    assert engine.asked == ({}, False)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("all=1", ({}, True)),
        ("all=0&only_ids=0&digests=1", ({}, False)),
        ('filters={"reference":["base:v1"]}', ({"reference": ["base:v1"]}, False)),
        ('filters={"reference":{"base:v1":true}}', ({"reference": ["base:v1"]}, False)),
        ("filter=base:v1", ({"reference": ["base:v1"]}, False)),
    ],
)
def test_filters_and_all_are_passed_on(client, engine, query, asked):
    answer = client.get(f"/images/json?{query}")
    assert answer.status_code == 200
    assert engine.asked == asked
    assert len(answer.get_json()) == (1 if asked[0] else 2)


@pytest.mark.parametrize(
    ("query", "option"),
    [
        ("all=maybe", "all"),
        ("filters=x", "filters"),
        ('filters={"nosuch":["x"]}', "filters"),
        ('filters={"label":"x"}', "filters"),
        ('filters={"dangling":["maybe"]}', "filters"),
    ],
)
def test_bad_query_of_a_list_of_images_is_refused(client, query, option):
    body = refused(client.get(f"/images/json?{query}"), 400)
    assert list(body["errors"]) == [option]


def test_allow_list_hides_images_and_names(store, engine):
    client = make_client(store, engine, FUNCSVC_ALLOWED_IMAGES="ubuntu", **REMOVABLE)
    shown = {"Id": ID, "RepoTags": ["ubuntu:latest"], "RepoDigests": []}
    assert client.get("/images/json").get_json() == [shown]
    assert client.get("/images/ubuntu/json").get_json()["RepoTags"] == ["ubuntu:latest"]
    for name in (TOOL, OTHER_ID, "base:v1"):
        missing = {"message": f'The engine has no image "{name}".'}
        assert refused(client.get(f"/images/{name}/json"), 404) == missing
        assert refused(client.delete(f"/images/{name}?force=1"), 404) == missing
    assert refused(client.delete(f"/images/{ID}?force=1"), 409) == {
        "message": f'The image "{ID}" can\'t be removed: '
        "the operator's allow-list hides another of its names."
    }
    assert client.delete("/images/ubuntu").get_json() == [{"Untagged": "ubuntu:latest"}]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", (False, False)),
        ("?force=1", (True, False)),
        ("?force=False&noprune=True", (False, True)),
    ],
)
def test_removal_is_answered_as_the_engine_answers(remover, engine, prefix, query, asked):
    answer = remover.delete(f"{prefix}/images/{TOOL}{query}")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == [{"Untagged": TOOL}, {"Deleted": OTHER_ID}]
    assert engine.asked == asked
    assert refused(remover.get(f"/images/{TOOL}/json"), 404)


def test_removal_is_forbidden_unless_the_operator_allows_it(client, engine):
    for name in ("ubuntu", "nope", "../x"):
        assert refused(client.delete(f"/images/{name}?force=1"), 403) == {
            "message": "The operator forbids the removal of images."
        }
    assert engine.inspect_image("ubuntu")


@pytest.mark.parametrize("name", ["nope", "a b", "..", "UPPER", "ubuntu:22.04", "x/json"])
def test_image_that_is_not_there_can_not_be_removed(remover, name):
    assert refused(remover.delete(f"/images/{name}"), 404) == {
        "message": f'The engine has no image "{name}".'
    }


def test_flag_that_is_none_is_refused(remover, engine):
    assert list(refused(remover.delete("/images/ubuntu?force=maybe"), 400)["errors"]) == ["force"]
    assert engine.inspect_image("ubuntu")


@pytest.mark.parametrize("defined", ["ubuntu", "docker.io/library/ubuntu:latest", "base:v1"])
@pytest.mark.parametrize("name", ["ubuntu", "base:v1", ID])
def test_image_of_a_func_stays_by_whichever_name(remover, engine, defined, name):
    assert create(remover, TOOL, "other").status_code == 201
    assert create(remover, defined).status_code == 201
    assert refused(remover.delete(f"/images/{name}?force=1"), 409) == {
        "message": f'The image "{name}" can\'t be removed: the function "f" is defined with it.'
    }
    assert remover.delete("/funcs/f").status_code == 204
    assert remover.delete(f"/images/{name}?force=1").status_code == 200


def test_engines_own_refusal_is_a_conflict_with_its_reason(remover):
    assert refused(remover.delete(f"/images/{ID}"), 409) == {
        "message": f'The image "{ID}" can\'t be removed: it has several names.'
    }


def test_func_that_is_created_while_its_image_goes_is_refused_and_not_stored(store, engine):
    """The create has found the image; the removal has found no func of it."""
    client = make_client(store, engine, **REMOVABLE)
    answers = []
    remove = engine.remove_image

    def create_meanwhile(name: str, **how: bool):
        answers.append(create(client, TOOL))
        return remove(name, **how)

    engine.remove_image = create_meanwhile
    assert client.delete(f"/images/{TOOL}").status_code == 200
    assert refused(answers[0], 503) == {
        "message": f'Config.Image is "{TOOL}", but this image is being removed: '
        "try again in a few seconds."
    }
    assert "Retry-After" in answers[0].headers
    assert store.definitions == {}


def test_func_that_is_stored_while_funcs_are_searched_keeps_its_image(store, engine):
    client = make_client(store, engine, **REMOVABLE)
    list_funcs = store.list_funcs
    searches = []

    def search(*args):
        searches.append(create(client, TOOL, "late") if searches == ["first"] else "first")
        return list_funcs(*args)

    store.list_funcs = search
    removal = client.delete(f"/images/{TOOL}")
    assert searches[1].status_code == 503
    assert removal.status_code == 200
    assert store.definitions == {}


def test_removal_that_fails_keeps_nobody_from_creating(store, engine):
    client = make_client(store, engine, FUNCSVC_ENGINE_REMEMBER_SECONDS="0", **REMOVABLE)
    assert refused(client.delete(f"/images/{ID}"), 409)
    with_image = create(client, "ubuntu")
    assert with_image.status_code in (201, 503)  # the announcement lasts for a millisecond more
    assert create(client, "ubuntu", "f2").status_code in (201, 503)
    assert create(client, TOOL, "f3").status_code == 201


@pytest.mark.parametrize("prefix", PREFIXES)
def test_login_is_answered_as_the_engine_answers(client, engine, prefix):
    answer = client.post(f"{prefix}/auth", json={**LOGIN, "email": None})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == {"Status": "Login Succeeded", "IdentityToken": ""}
    assert engine.asked == LOGIN


def test_refused_login_is_401_without_the_password(client, caplog):
    answer = client.post("/auth", json={**LOGIN, "password": "hunter2"})
    assert refused(answer, 401) == {
        "message": 'The registry "localhost:5000" doesn\'t accept these credentials.'
    }
    assert "hunter2" not in caplog.text


def test_registry_that_can_not_check_a_login_is_500_and_named(client, engine):
    engine.fail_with(errors.RegistryNotReached("localhost:5000", "it can't be reached, or failed"))
    assert refused(client.post("/auth", json=LOGIN), 500) == {
        "message": 'The registry "localhost:5000" can\'t check the credentials: '
        "it can't be reached, or failed."
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [({"password": 7}, "password"), ({"pass": "hunter2"}, "pass"), ({"auth": {}}, "auth")],
)
def test_malformed_login_is_refused_without_its_values(client, engine, body, path):
    answer = refused(client.post("/auth", json=body), 400)
    assert list(answer["errors"]) == [path]
    assert "hunter2" not in str(answer)
    assert engine.asked is None


def test_login_must_be_json(client, engine):
    body = json.dumps(LOGIN)
    assert refused(client.post("/auth", data=body, content_type="text/plain"), 400)
    assert refused(client.post("/auth"), 400)
    assert refused(client.post("/auth", json=[LOGIN]), 400)
    assert engine.asked is None


def test_pull_has_the_credentials_of_its_header(client, engine, caplog):
    header = base64.urlsafe_b64encode(json.dumps(LOGIN).encode()).decode()
    for headers, asked in (
        ({"X-Registry-Auth": header}, LOGIN),
        ({"X-Registry-Auth": "e30="}, {}),
        ({"X-Registry-Auth": ""}, None),
        ({}, None),
    ):
        answer = client.post("/images/create?fromImage=debian", headers=headers)
        assert (answer.status_code, engine.asked) == (200, asked)
    assert header not in caplog.text


def test_malformed_credentials_of_a_pull_are_refused(client, engine):
    headers = {"X-Registry-Auth": "hunter2"}
    answer = refused(client.post("/images/create?fromImage=debian", headers=headers), 400)
    assert answer["message"].startswith("X-Registry-Auth is malformed, but must be base64url of ")
    assert "hunter2" not in answer["message"]
    assert engine.pulled == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_info_is_what_the_engine_says(client, engine, prefix):
    answer = client.get(f"{prefix}/info")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_json() == engine.get_info()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/images/json"), ("DELETE", "/images/ubuntu"), ("GET", "/info"), ("POST", "/auth")],
)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_keyless_request_and_foreign_host_are_refused(store, engine, prefix, method, path):
    keyed = make_client(store, engine, FUNCSVC_ACCESS_KEYS="key:secret", **REMOVABLE)
    body = {"json": LOGIN} if method == "POST" else {}
    assert keyed.open(prefix + path, method=method, **body).status_code == 401
    evil = {"Host": "evil.example"}
    is_open = make_client(store, engine, **REMOVABLE)
    assert is_open.open(prefix + path, method=method, headers=evil, **body).status_code == 400
    assert engine.asked is None


def test_engine_that_is_away_is_500_everywhere(remover, engine):
    engine.fail_with(errors.EngineUnavailable("it can't be reached"))
    for answer in (
        remover.get("/images/json"),
        remover.delete("/images/ubuntu"),
        remover.get("/info"),
        remover.post("/auth", json=LOGIN),
    ):
        assert refused(answer, 500) == {
            "message": "The Docker Engine can't be used: it can't be reached."
        }
