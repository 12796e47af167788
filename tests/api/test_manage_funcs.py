"""GET, PUT and DELETE of funcs: status, whole body, and nothing changed on failure."""

from __future__ import annotations

import json
import re

import pytest

from funcsvc.model import errors
from tests.api.conftest import make_client
from tests.fakes import FakeCallStore, FakeEngine

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PREFIXES = ["", "/v1.23", "/v9.99"]
NOT_FOUND = {"message": 'There is no function named "nope".'}


def create(client, name="hello", **fields) -> str:
    config = {"Image": "ubuntu", "Cmd": ["echo"], **fields.pop("Config", {})}
    answer = client.post("/funcs/create", json={"Name": name, "Config": config, **fields})
    assert answer.status_code == 201, answer.data
    return answer.get_data(as_text=True)


def put(client, document, path="/funcs/hello", **options):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return client.put(path, data=body, **{"content_type": "application/json", **options})


def listed(client, **query) -> list[str]:
    answer = client.get("/funcs", query_string=query)
    assert (answer.status_code, answer.content_type) == (200, "application/json"), answer.data
    return [func["Name"] for func in answer.get_json()]


def refused(answer, status: int) -> dict:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.data
    body = answer.get_json()
    assert set(body) in ({"message"}, {"message", "errors"})
    return body


@pytest.fixture
def three(client, store) -> list[str]:
    """The definitions of three funcs, newest first."""
    for number, name in enumerate(("first", "second", "third")):
        create(client, name, Config={"Labels": {"n": str(number), name: ""}})
        created = f"2026-01-01T00:00:00.00{number}Z"
        store.update_func(
            name, lambda text, at=created: json.dumps({**json.loads(text), "Created": at})
        )
    return [store.definitions[name] for name in ("third", "second", "first")]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_funcs_are_an_empty_list(client, prefix):
    answer = client.get(f"{prefix}/funcs")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.data == b"[]"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_funcs_are_listed_newest_first_byte_for_byte_as_they_were_answered(client, three, prefix):
    answer = client.get(f"{prefix}/funcs")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_data(as_text=True) == f"[{', '.join(three)}]"


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"limit": "1"}, ["third"]),
        ({"limit": "2"}, ["third", "second"]),
        ({"limit": "10000"}, ["third", "second", "first"]),
        ({"before": "third"}, ["second", "first"]),
        ({"before": "third", "limit": "1"}, ["second"]),
        ({"before": "first"}, []),
        ({"limit": "", "before": "", "filters": ""}, ["third", "second", "first"]),
        ({"filters": "{}"}, ["third", "second", "first"]),
        ({"filters": '{"name": ["first"]}'}, ["first"]),
        ({"filters": '{"name": {"first": true}}'}, ["first"]),
        ({"filters": '{"name": ["first", "nope", "third"]}'}, ["third", "first"]),
        ({"filters": '{"name": ["first", "first"]}'}, ["first"]),
        ({"filters": '{"name": ["nope"]}'}, []),
        ({"filters": '{"name": []}'}, ["third", "second", "first"]),
        ({"filters": '{"name": ["first", "third"]}', "limit": "1"}, ["third"]),
        ({"filters": '{"name": ["first", "third"]}', "before": "third"}, ["first"]),
        ({"filters": '{"label": ["second"]}'}, ["second"]),
        ({"filters": '{"label": ["n=0"]}'}, ["first"]),
        ({"filters": '{"label": ["n"]}', "limit": "2"}, ["third", "second"]),
        ({"filters": '{"image": ["ubuntu:latest"], "size": ["s4"]}'}, ["third", "second", "first"]),
        ({"filters": '{"size": ["s1"]}'}, []),
    ],
)
def test_listing_has_what_was_asked_for(client, query, names):
    assert listed(client, **query) == names


def test_page_after_page_has_every_func(client, store):
    for number in range(25):
        create(client, f"f{number}")
    found: list[str] = []
    while page := listed(client, limit="10", **({"before": found[-1]} if found else {})):
        found += page
    assert len(found) == 25
    assert set(found) == set(store.definitions)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", 'limit is "0", but must be a whole number from 1 to 10000.'),
        ("limit=x", 'limit is "x", but must be a whole number from 1 to 10000.'),
        ("before=nope", 'before is "nope", but must be the name of a function.'),
        ("all=1", "all is not a known option: the options are filters, limit and before."),
        (
            "filters=x",
            'filters is "x", but must be a JSON object such as {"name": ["x"]} or '
            '{"name": {"x": true}}.',
        ),
        (
            "filters={%22id%22:[]}",
            'filters is "{\\"id\\":[]}", but must be an object whose keys are '
            "name, image, size, label.",
        ),
    ],
)
def test_query_that_breaks_a_rule_is_refused(client, prefix, query, sentence):
    body = refused(client.get(f"{prefix}/funcs?{query}"), 400)
    assert body == {"message": sentence, "errors": {query.partition("=")[0]: [sentence]}}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_func_is_answered_as_it_was_created(client, prefix):
    definition = create(client, Config={"Labels": {"ä": "☃"}})
    answer = client.get(f"{prefix}/funcs/hello")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert answer.get_data(as_text=True) == definition
    assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_func_that_is_not_there_is_not_found(client, prefix, method):
    create(client)
    answer = client.open(
        f"{prefix}/funcs/nope", method=method, json={} if method == "PUT" else None
    )
    assert refused(answer, 404) == NOT_FOUND


@pytest.mark.parametrize(
    "name", ["HELLO", "hello%20", "..%2e", "h%00", "ä", "%F0%9F%98%80", "a" * 3000]
)
def test_name_that_no_func_can_have_is_not_found(client, name):
    create(client)
    body = refused(client.get(f"/funcs/{name}"), 404)
    assert body["message"].startswith('There is no function named "')
    assert len(body["message"]) < 150


def test_func_named_as_a_path_is_served(client):
    for name in ("create", "call"):
        definition = create(client, name)
        assert client.get(f"/funcs/{name}").get_data(as_text=True) == definition
        assert put(client, {"Timeout": 1}, f"/funcs/{name}").status_code == 200
        assert client.delete(f"/funcs/{name}").status_code == 204


@pytest.mark.parametrize("prefix", PREFIXES)
def test_update_answers_and_stores_the_new_definition(client, store, prefix):
    before = json.loads(create(client, Config={"Env": ["A=1"]}))
    body = {"ContainerSize": "m1", "Timeout": 5, "Config": {"Env": ["B=2"]}, "Refresh": True}
    answer = put(client, body, f"{prefix}/funcs/hello")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert "Location" not in answer.headers
    after = answer.get_json()
    assert after["UUID"] != before["UUID"]
    assert UUID.fullmatch(after["UUID"])
    assert after == {
        **before,
        "ContainerSize": "m1",
        "Timeout": 5,
        "UUID": after["UUID"],
        "Config": {**before["Config"], "Env": ["B=2"]},
    }
    assert store.definitions == {"hello": answer.get_data(as_text=True)}
    assert client.get("/funcs/hello").data == answer.data


def test_body_of_the_original_client_works(client, store):
    before = json.loads(create(client, "helloworld"))
    body = (
        b'{"Name":"helloworld","ContainerSize":"s3","Created":"0001-01-01T00:00:00Z",'
        b'"Refresh":true,"Config":{},"HostConfig":{},"NetworkingConfig":{"EndpointsConfig":null}}'
    )
    after = put(client, body, "/funcs/helloworld").get_json()
    assert after["UUID"] != before["UUID"]
    assert after == {**before, "ContainerSize": "s3", "UUID": after["UUID"]}


@pytest.mark.parametrize(
    ("config", "env"),
    [(b'{"Env":[]}', []), (b"{}", ["A=1"]), (b'{"Env":null}', ["A=1"]), (b"null", ["A=1"])],
)
def test_empty_env_clears_and_absent_or_null_leaves_it(client, config, env):
    create(client, Config={"Env": ["A=1"]})
    answer = put(client, b'{"Config":' + config + b"}")
    assert (answer.status_code, answer.get_json()["Config"]["Env"]) == (200, env)


def test_answer_of_a_func_sent_back_changes_nothing(client, store):
    definition = create(
        client,
        Config={
            "ExposedPorts": {"80": {}, "53/udp": {}},
            "Labels": {"b": "", "a": ""},
            "Tty": True,
        },
        HostConfig={"PortBindings": {"80": [{"HostPort": "1"}]}, "Links": ["a:b"]},
    )
    sorted_keys = json.dumps(json.loads(definition), sort_keys=True).encode()
    for body in (definition.encode(), sorted_keys):
        answer = put(client, body)
        assert (answer.status_code, answer.get_data(as_text=True)) == (200, definition)


@pytest.mark.parametrize(
    ("document", "path", "sentence"),
    [
        ({"Name": "other"}, "Name", 'Name is "other", but can\'t change: it is "hello".'),
        (
            {"Config": {"Image": "debian"}},
            "Config.Image",
            'Config.Image is "debian", but can\'t change: it is "ubuntu".',
        ),
        (
            {"HostConfig": {"PortBindings": {"80": [{"HostPort": "2"}]}}},
            "HostConfig.PortBindings",
            'HostConfig.PortBindings is {"80": [{"HostPort": "2"}]}, '
            "but can't change: it is null.",
        ),
        (
            {"Timeout": 0},
            "Timeout",
            "Timeout is 0, but must be a whole number of seconds from 1 to 86400.",
        ),
        ({"Refresh": 1}, "Refresh", "Refresh is 1, but must be true or false."),
    ],
)
def test_update_that_breaks_a_rule_is_refused_and_changes_nothing(
    client, store, document, path, sentence
):
    definition = create(client)
    body = refused(put(client, {"ContainerSize": "s1", **document}), 400)
    assert body == {"message": sentence, "errors": {path: [sentence]}}
    assert store.definitions == {"hello": definition}


def test_new_size_must_fit_the_engine(small, store):
    definition = create(small.client)
    body = refused(put(small.client, {"ContainerSize": "l1"}), 400)
    sentence = body["message"]
    assert sentence.startswith('ContainerSize is "l1", but must fit the engine: ')
    assert body == {"message": sentence, "errors": {"ContainerSize": [sentence]}}
    assert store.definitions == {"hello": definition}
    assert put(small.client, {"ContainerSize": "m1"}).status_code == 200


def test_update_without_a_size_does_not_need_the_engine(client, engine):
    create(client)
    engine.fail_with(errors.EngineUnavailable("it can't be reached"))
    assert put(client, {"Timeout": 5}).status_code == 200
    assert refused(put(client, {"ContainerSize": "s1"}), 500) == {
        "message": "The Docker Engine can't be used: it can't be reached."
    }


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"content_type": "text/plain"}, 400),
        ({"content_type": ""}, 400),
        ({"data": b""}, 400),
        ({"data": b"[]"}, 400),
        ({"data": b"{"}, 400),
        ({"data": b'{"Timeout": 1, "Timeout": 2}'}, 400),
        ({"data": b" " * (256 * 1024 + 1)}, 413),
    ],
)
def test_update_is_held_to_the_rules_of_bodies(client, store, options, status):
    definition = create(client)
    answer = client.put(
        "/funcs/hello", **{"data": b'{"Timeout": 1}', "content_type": "application/json", **options}
    )
    assert "errors" not in refused(answer, status)
    assert store.definitions == {"hello": definition}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_deleted_func_is_gone(client, store, prefix):
    create(client)
    other = create(client, "other")
    answer = client.delete(f"{prefix}/funcs/hello")
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert store.definitions == {"other": other}
    assert client.get("/funcs/hello").status_code == 404
    create(client)


def test_func_with_calls_is_removed_by_force_alone(store, engine):
    calls = FakeCallStore(store)
    client = make_client(store, engine, calls)
    uuid = json.loads(create(client))["UUID"]
    call_id = client.post(f"/call/hello/{uuid}").get_json()["CallId"]
    busy = {
        "message": 'The function "hello" can\'t be removed while it has pending or running calls.'
    }
    for path in ("/funcs/hello", "/funcs/hello?force=0", "/funcs/hello?force="):
        assert refused(client.delete(path), 409) == busy
    wrong = refused(client.delete("/funcs/hello?force=yes"), 400)
    assert wrong["message"] == 'force is "yes", but must be 1, true, 0 or false.'
    answer = client.delete("/v1.23/funcs/hello?force=1")
    assert (answer.status_code, answer.data) == (204, b"")
    assert client.get(f"/output/hello/{uuid}/{call_id}").status_code == 404
    assert refused(client.delete("/funcs/hello?force=1"), 404)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("call_id", ["218b7b10-0000-4000-8000-000000000000", "x"])
def test_func_of_a_call_that_is_not_there_is_not_found(client, prefix, call_id):
    answer = client.get(f"{prefix}/funcs/call/{call_id}")
    assert refused(answer, 404) == {"message": f'There is no call "{call_id}".'}


@pytest.mark.parametrize("path", ["/funcs", "/funcs/hello", "/v1.23/funcs/hello"])
def test_head_answers_as_get_without_a_body(client, path):
    create(client)
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content_type, head.data) == (200, get.content_type, b"")
    assert head.headers.get("Content-Length") == get.headers.get("Content-Length")
    assert client.head("/funcs/nope").status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/funcs", {"GET", "HEAD", "OPTIONS"}),
        ("/v1.23/funcs/hello", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("/funcs/call/x", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_options_says_which_methods_are_allowed(client, path, allowed):
    answer = client.options(path)
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(re.split(r",\s*", answer.headers["Allow"])) == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/funcs"),
        ("GET", "/funcs/hello"),
        ("PUT", "/funcs/hello"),
        ("DELETE", "/funcs/hello"),
    ],
)
def test_redis_that_can_not_be_used_is_named(client, store, method, path):
    create(client)
    before = dict(store.definitions)
    store.fail_with(errors.StoreUnavailable("it did not answer in time"))
    answer = client.open(path, method=method, json={"Timeout": 1} if method == "PUT" else None)
    assert refused(answer, 500) == {"message": "Redis can't be used: it did not answer in time."}
    assert store.definitions == before


def test_uuid_of_a_func_is_in_no_log(store, caplog):
    caplog.set_level("DEBUG")
    client = make_client(store, FakeEngine(has_every_image=True))
    uuid = json.loads(create(client))["UUID"]
    client.get("/funcs")
    put(client, {"UUID": "wrong"})
    client.delete("/funcs/hello")
    assert uuid not in caplog.text
