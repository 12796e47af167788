"""Any body gets JSON that isn't a 500, and what is stored equals what was answered."""

from __future__ import annotations

import copy
import itertools
import json

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from funcsvc.config import load_settings
from funcsvc.store import open_stores
from tests.api.conftest import make_client
from tests.fakes import FakeEngine, FakeFuncStore

NAMES = itertools.count()

KEYS = st.sampled_from(
    [
        "Name", "ContainerSize", "Timeout", "UUID", "Created", "Config", "HostConfig",
        "NetworkingConfig", "Image", "Cmd", "Entrypoint", "Env", "Tty", "ExposedPorts",
        "WorkingDir", "Labels", "StopSignal", "Links", "PortBindings", "PublishAllPorts",
        "VolumesFrom", "NetworkMode", "EndpointsConfig", "HostIp", "HostPort", "80/tcp", "80",
        "_schema", "", "0", "name",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "", "a", "ubuntu", "s4", "bridge", "host", "container:a", "a:b", "A=b", "80", "80/tcp",
        "8000-8010", "/a", "SIGTERM", "9" * 25, "\0", "'", "a" * 300, "ä☃😀", "\ud800",
        "0001-01-01T00:00:00Z", "registry:5000/a@sha256:" + "0" * 64,
    ]
)  # fmt: skip
ANY_TEXT = st.text(st.characters(), max_size=40) | WORDS
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([0, 1, -1, 80, 300, 86400, 86401, 65535, 65536, 1e308, 5e-324])
    | ANY_TEXT
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda below: st.lists(below, max_size=5) | st.dictionaries(KEYS | ANY_TEXT, below, max_size=6),
    max_leaves=25,
)

LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
WORD = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,10}", fullmatch=True)
PORT = st.integers(1, 65535).map(str)
PORT_KEY = st.builds("{}{}".format, PORT, st.sampled_from(["/tcp", "/udp"]))
BINDING = st.fixed_dictionaries(
    {}, optional={"HostIp": st.sampled_from(["", "127.0.0.1", "::1"]), "HostPort": PORT}
)
VALID_CONFIG = st.fixed_dictionaries(
    {"Image": st.sampled_from(["ubuntu", "ubuntu:22.04", "localhost:5000/a/b", "docker.io/a/b:c"])},
    optional={
        "Cmd": st.lists(LINE, max_size=4) | st.just("sh -c 'echo a'"),
        "Entrypoint": st.lists(LINE, min_size=1, max_size=3).filter(lambda words: words != [""]),
        "Env": st.lists(st.builds("{}={}".format, WORD, LINE), max_size=4),
        "Tty": st.booleans(),
        "ExposedPorts": st.dictionaries(PORT_KEY, st.just({}), max_size=3),
        "WorkingDir": LINE.map("/{}".format),
        "Labels": st.dictionaries(LINE, LINE, max_size=4),
        "StopSignal": st.sampled_from(["TERM", "sigkill", "9", 15, 2**63 - 1]),
    },
)
VALID_HOST_CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "Links": st.lists(st.builds("{}:{}".format, WORD, WORD), max_size=3),
        "PortBindings": st.dictionaries(PORT_KEY, st.lists(BINDING, max_size=2), max_size=3),
        "PublishAllPorts": st.booleans(),
        "VolumesFrom": st.lists(st.builds("{}{}".format, WORD, st.sampled_from(["", ":ro"]))),
        "NetworkMode": st.just("bridge"),
    },
)
VALID = st.fixed_dictionaries(
    {"Name": st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True),
     "Config": VALID_CONFIG},
    optional={
        "ContainerSize": st.sampled_from(["s1", "m2", "l3"]),
        "Timeout": st.integers(1, 86400),
        "UUID": LINE | st.booleans() | st.lists(LINE, max_size=2) | st.none(),
        "HostConfig": VALID_HOST_CONFIG,
        "NetworkingConfig": st.sampled_from([{}, {"EndpointsConfig": None}]),
    },
)  # fmt: skip


@st.composite
def mutated(draw) -> dict:
    """Generate a valid definition with one to three values replaced, added or removed."""
    document = copy.deepcopy(draw(VALID))
    for _ in range(draw(st.integers(1, 3))):
        place = document
        while nested := [value for value in place.values() if isinstance(value, dict) and value]:
            if draw(st.booleans()):
                break
            place = draw(st.sampled_from(nested))
        key = draw(st.sampled_from(sorted(place)) | KEYS | ANY_TEXT) if place else draw(KEYS)
        if draw(st.booleans()) and key in place:
            del place[key]
        else:
            place[key] = draw(ANY_JSON)
    return document


@st.composite
def damaged(draw) -> bytes:
    """Generate the bytes of a valid definition with one piece replaced."""
    body = json.dumps(draw(VALID), ensure_ascii=draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
    begin = draw(st.integers(0, len(body)))
    end = draw(st.integers(begin, min(len(body), begin + 4)))
    return body[:begin] + draw(st.binary(max_size=4)) + body[end:]


@pytest.fixture(scope="module")
def client():
    """One client for all examples. Its store forgets each func, so that no name is ever taken."""
    return make_client(FreshStore(), FakeEngine(has_every_image=True))


class FreshStore(FakeFuncStore):
    """A store in which no name is ever taken."""

    def create_func(self, func, definition, image_id=""):
        super().create_func(func, definition)
        self.definitions.clear()


def check_answer(answer, statuses: set[int]) -> None:
    event(f"status {answer.status_code}")
    assert answer.status_code in statuses, answer.data
    assert answer.content_type == "application/json"
    body = json.loads(answer.data.decode("utf-8"))
    if answer.status_code == 201:
        assert list(body)[:2] == ["Name", "ContainerSize"]
        return
    assert set(body) in ({"message"}, {"message", "errors"})
    assert body["message"]
    for path, sentences in body.get("errors", {}).items():
        assert path
        assert sentences
        assert all(sentence.startswith(path) for sentence in sentences)


def post(client, body: bytes):
    return client.post("/funcs/create", data=body, content_type="application/json")


@settings(max_examples=250, deadline=None)
@given(document=ANY_JSON)
def test_any_json_is_created_or_refused(client, document):
    check_answer(post(client, json.dumps(document).encode()), {201, 400})


@settings(max_examples=350, deadline=None)
@given(document=mutated())
def test_any_change_of_a_definition_is_created_or_refused(client, document):
    check_answer(post(client, json.dumps(document).encode()), {201, 400})


@settings(max_examples=300, deadline=None)
@given(body=damaged())
def test_any_damage_to_a_definition_is_created_or_refused(client, body):
    check_answer(post(client, body), {201, 400})


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=200))
def test_any_bytes_are_refused(client, body):
    check_answer(post(client, body), {400})


@settings(max_examples=20, deadline=None)
@given(
    piece=st.sampled_from(
        [b"[", b"{", b'{"a":', b"1", b'"', b"\\", b" ", b"\x00", b"\xff", b",{}"]
    ),
    size=st.integers(1, 300 * 1024),
)
def test_any_long_body_is_refused(client, piece, size):
    body = (piece * (size // len(piece) + 1))[:size]
    check_answer(post(client, body), {413} if size > 256 * 1024 else {400})


@settings(max_examples=100, deadline=None)
@given(content_type=st.text(st.characters(max_codepoint=255, categories=["L", "N", "P", "S"])))
def test_any_content_type_is_answered_in_json(client, content_type):
    body = b'{"Name": "a", "Config": {"Image": "u"}}'
    answer = client.post(
        "/funcs/create", data=body, environ_overrides={"CONTENT_TYPE": content_type}
    )
    check_answer(answer, {201, 400})


@settings(max_examples=300, deadline=None)
@given(document=VALID)
def test_every_valid_definition_is_created_and_defines_itself_again(client, document):
    answer = post(client, json.dumps(document).encode())
    check_answer(answer, {201})
    again = post(client, answer.data)
    check_answer(again, {201})
    first, second = json.loads(answer.data), json.loads(again.data)
    given_anew = {"UUID": "", "Created": ""}
    assert {**first, **given_anew} == {**second, **given_anew}


@settings(
    max_examples=150,
    deadline=None,
    # the prefix is per test, not per example, so each example uses a new name
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(document=VALID)
def test_definition_read_back_from_redis_equals_the_one_answered(real_client, document):
    client, store = real_client
    document["Name"] = f"f{next(NAMES)}"
    answer = post(client, json.dumps(document).encode())
    check_answer(answer, {201})
    assert store.get_func(document["Name"]) == answer.data.decode("utf-8")


@pytest.fixture
def real_client(redis_url, redis_prefix):
    """A client of the application over the real Redis, and its store."""
    environment = {"FUNCSVC_REDIS_URL": redis_url, "FUNCSVC_REDIS_PREFIX": redis_prefix}
    store = open_stores(load_settings(environment)).funcs
    return make_client(store, FakeEngine(has_every_image=True)), store
