"""Any update, listing or pull gets an answer that isn't 500, whatever its body or query."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.api.conftest import make_client
from tests.api.test_properties import ANY_JSON, ANY_TEXT, KEYS, VALID, check_answer
from tests.fakes import FakeEngine, FakeFuncStore

UPDATE_KEYS = st.sampled_from(["Name", "Refresh", "Timeout", "ContainerSize", "Env", "UUID"])
QUERY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # what a client can encode
OPTIONS = st.sampled_from(["limit", "before", "filters", "fromImage", "tag", ""]) | QUERY_TEXT
FILTERS = st.dictionaries(
    st.sampled_from(["name", "image", "size", "label"]) | QUERY_TEXT,
    st.lists(QUERY_TEXT, max_size=3)
    | st.dictionaries(ANY_TEXT, st.booleans(), max_size=3)
    | ANY_JSON,
    max_size=3,
).map(json.dumps)


@pytest.fixture(scope="module")
def engine() -> FakeEngine:
    engine = FakeEngine(has_every_image=True)
    engine.progress = [b'{"status": "Done"}\n']
    return engine


@pytest.fixture(scope="module")
def store() -> FakeFuncStore:
    return FakeFuncStore()


@pytest.fixture(scope="module")
def client(store, engine):
    return make_client(store, engine)


def create(client, store, document: dict) -> str:
    """Create a func as the only one in the store, and return its path."""
    store.definitions.clear()
    answer = client.post(
        "/funcs/create", data=json.dumps(document), content_type="application/json"
    )
    check_answer(answer, {201})
    return f"/funcs/{document['Name']}"


def put(client, path: str, document):
    return client.put(path, data=json.dumps(document), content_type="application/json")


def check_update(answer, store, before: str) -> None:
    """Check that an update stored what it answered, or changed nothing."""
    event(f"status {answer.status_code}")
    [stored] = store.definitions.values()
    if answer.status_code == 200:
        assert answer.get_data(as_text=True) == stored
    else:
        check_answer(answer, {400})
        assert stored == before


@settings(max_examples=200, deadline=None)
@given(document=ANY_JSON | st.dictionaries(KEYS | UPDATE_KEYS, ANY_JSON, max_size=4))
def test_any_json_updates_or_is_refused(client, store, document):
    path = create(client, store, {"Name": "hello", "Config": {"Image": "ubuntu"}})
    [before] = store.definitions.values()
    check_update(put(client, path, document), store, before)


@settings(max_examples=200, deadline=None)
@given(first=VALID, second=VALID, data=st.data())
def test_any_definition_put_over_another_updates_or_is_refused(client, store, first, second, data):
    path = create(client, store, first)
    [before] = store.definitions.values()
    body = copy.deepcopy(second)
    for section in ("Config", "HostConfig"):
        options = sorted(body.get(section, {}))
        for option in data.draw(st.sets(st.sampled_from(options)) if options else st.just(())):
            del body[section][option]
    check_update(put(client, path, body), store, before)


@settings(max_examples=200, deadline=None)
@given(document=VALID)
def test_every_definition_sent_back_changes_nothing(client, store, document):
    path = create(client, store, document)
    [before] = store.definitions.values()
    for text in (before, json.dumps(json.loads(before), sort_keys=True)):
        answer = client.put(path, data=text.encode(), content_type="application/json")
        assert (answer.status_code, answer.get_data(as_text=True)) == (200, before)


@settings(max_examples=200, deadline=None)
@given(document=VALID, env=st.lists(st.builds("A{}={}".format, st.integers(0), st.text("ab="))))
def test_update_changes_nothing_but_what_it_names(client, store, document, env):
    path = create(client, store, document)
    [before] = map(json.loads, store.definitions.values())
    after = put(client, path, {"Timeout": 77, "Config": {"Env": env}}).get_json()
    assert after == {**before, "Timeout": 77, "Config": {**before["Config"], "Env": env}}


@settings(max_examples=250, deadline=None)
@given(
    query=st.dictionaries(OPTIONS, QUERY_TEXT | FILTERS, max_size=3)
    | st.builds(dict, filters=FILTERS)
)
def test_any_query_of_a_listing_is_answered_or_refused(client, store, query):
    create(client, store, {"Name": "hello", "Config": {"Image": "ubuntu", "Labels": {"a": "b"}}})
    text = {_sendable(key): _sendable(value) for key, value in query.items()}
    answer = client.get("/funcs", query_string=text)
    if answer.status_code == 200:
        assert {func["Name"] for func in answer.get_json()} <= {"hello"}
    else:
        check_answer(answer, {400})


@settings(max_examples=200, deadline=None)
@given(query=st.binary(max_size=60))
def test_any_bytes_as_a_query_are_answered_or_refused(client, query):
    for method, path in (("GET", "/funcs"), ("POST", "/images/create")):
        as_sent = {"QUERY_STRING": query.decode("latin-1")}
        answer = client.open(path, method=method, environ_overrides=as_sent)
        assert answer.status_code in (200, 400)


@settings(max_examples=200, deadline=None)
@given(name=ANY_TEXT, tag=st.none() | ANY_TEXT)
def test_any_image_is_pulled_or_refused(client, engine, name, tag):
    query = {"fromImage": _sendable(name)} | ({} if tag is None else {"tag": _sendable(tag)})
    answer = client.post("/images/create", query_string=query)
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        check_answer(answer, {400})


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_name_of_an_image_or_func_is_answered(client, name):
    for path in (f"/images/{name}/json", f"/funcs/{name}"):
        as_sent = {"PATH_INFO": path.encode().decode("latin-1")}
        assert client.get("/", environ_overrides=as_sent).status_code in (200, 404)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
