"""POST /funcs/create: the status, the whole body, and nothing stored on failure."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime

import pytest
from gunicorn.http.errors import InvalidChunkSize

from tests.api.conftest import make_client

MAX_BYTES = 256 * 1024
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
HELLO = {"Name": "helloworld", "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "ubuntu"}}
HELLO_ANSWER = (
    '{"Name": "helloworld", "ContainerSize": "s4", "Timeout": 300, "UUID": "<uuid>", '
    '"Created": "<created>", "Config": {"Env": [], "Cmd": ["echo", "HelloWorld"], '
    '"Image": "ubuntu", "StopSignal": "SIGTERM"}, "HostConfig": {"NetworkMode": "bridge"}, '
    '"NetworkingConfig": {"EndpointsConfig": null}}'
)


def create(client, document, path: str = "/funcs/create", **options):
    """Post a document as JSON, or a body unchanged."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return client.post(path, data=body, **{"content_type": "application/json", **options})


def refused(answer, status: int) -> dict:
    """Return the body of an error, and check its shape."""
    assert (answer.status_code, answer.content_type) == (status, "application/json")
    body = answer.get_json()
    assert set(body) in ({"message"}, {"message", "errors"})
    assert re.match(r"[A-Z\"]", body["message"])
    assert "Location" not in answer.headers
    return body


def hello_of(size: int) -> bytes:
    """Return the example as JSON, padded to `size` bytes with a label."""

    def body(filler: str) -> bytes:
        config = {**HELLO["Config"], "Labels": {"x": filler}}
        return json.dumps({**HELLO, "Config": config}).encode()

    return body("a" * (size - len(body(""))))


def test_create_func_answers_the_contracts_example_byte_for_byte(client, store):
    begin = datetime.now(UTC).isoformat(timespec="milliseconds")
    answer = create(client, HELLO)
    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    assert answer.headers["Location"] == "/funcs/helloworld"
    text = answer.get_data(as_text=True)
    body = json.loads(text)
    assert UUID.fullmatch(body["UUID"])
    assert TIME.fullmatch(body["Created"])
    assert begin[:23] <= body["Created"][:23]
    shape = text.replace(body["UUID"], "<uuid>").replace(body["Created"], "<created>")
    assert shape == HELLO_ANSWER
    assert store.definitions == {"helloworld": text}


@pytest.mark.parametrize("prefix", ["", "/v1.23", "/v9.99", "/v1.0", "/v0.0", "/v10.100"])
def test_create_func_is_served_with_and_without_a_version(client, store, prefix):
    answer = create(client, HELLO, f"{prefix}/funcs/create")
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/funcs/helloworld"
    assert list(store.definitions) == ["helloworld"]


@pytest.mark.parametrize(
    "prefix", ["/vx", "/v1", "/v1.", "/v1.x", "/v-1.2", "/1.23", "/v1.2.3", "/V1.2"]
)
def test_path_with_another_prefix_is_not_found(client, store, prefix):
    answer = create(client, HELLO, f"{prefix}/funcs/create")
    assert refused(answer, 404) == {"message": "There is nothing at this path."}
    assert store.definitions == {}


@pytest.mark.parametrize("path", ["/funcs//create", "/v1.23//funcs/create", "/funcs/create/"])
def test_path_with_more_slashes_is_not_found_and_not_redirected(client, store, path):
    answer = create(client, HELLO, path)
    assert refused(answer, 404) == {"message": "There is nothing at this path."}
    assert store.definitions == {}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
        " application/json ",
    ],
)
def test_json_content_type_is_accepted(client, content_type):
    assert create(client, HELLO, content_type=content_type).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/merge-patch+json",
        "application/json, text/plain",
        "json",
        "application/*",
    ],
)
def test_other_content_type_is_refused(client, store, content_type):
    answer = create(client, HELLO, content_type=content_type)
    assert refused(answer, 400) == {
        "message": f'Content-Type is "{content_type}", but must be application/json.'
    }
    assert store.definitions == {}


def test_missing_content_type_is_refused(client, store):
    answer = client.post("/funcs/create", data=json.dumps(HELLO))
    assert "Content-Type" not in answer.request.headers
    assert refused(answer, 400) == {"message": 'Content-Type is "", but must be application/json.'}
    assert store.definitions == {}


@pytest.mark.parametrize("size", [MAX_BYTES - 1, MAX_BYTES])
def test_definition_of_256_kib_is_accepted(client, store, size):
    body = hello_of(size)
    assert len(body) == size
    assert create(client, body).status_code == 201
    assert list(store.definitions) == ["helloworld"]


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 10 * MAX_BYTES])
def test_definition_over_256_kib_is_too_large(client, store, size):
    assert refused(create(client, hello_of(size)), 413) == {
        "message": "The request body is too large: at most 262144 bytes are accepted."
    }
    assert store.definitions == {}


@pytest.mark.parametrize(("size", "status"), [(MAX_BYTES, 201), (MAX_BYTES + 1, 413)])
def test_size_of_a_body_without_content_length_is_counted(client, store, size, status):
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = client.post(
        "/funcs/create",
        input_stream=io.BytesIO(hello_of(size)),
        content_type="application/json",
        environ_overrides=environ,
    )
    assert answer.status_code == status
    assert len(store.definitions) == (status == 201)


def test_body_that_breaks_off_is_refused(client, store):
    answer = client.post(
        "/funcs/create",
        input_stream=io.BytesIO(json.dumps(HELLO).encode()),
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "1000"},
    )
    assert refused(answer, 400) == {
        "message": "The request body was incomplete, or did not arrive in time."
    }
    assert store.definitions == {}


class BrokenStream:
    """A request body that never arrives."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, size: int = -1) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [TimeoutError("secret"), ConnectionResetError("secret"), InvalidChunkSize(b"secret")],
)
def test_body_that_can_not_be_read_is_refused(client, store, error):
    answer = client.post(
        "/funcs/create",
        content_type="application/json",
        environ_overrides={"wsgi.input": BrokenStream(error), "wsgi.input_terminated": True},
    )
    assert refused(answer, 400) == {
        "message": "The request body was incomplete, or did not arrive in time."
    }
    assert store.definitions == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is empty, but must be a JSON object."),
        (b"null", "The body is null, but must be a JSON object."),
        (b"[1]", "The body is a list, but must be a JSON object."),
        (b'{"Name" 1}', "The body is not valid JSON: Expecting ':' delimiter at line 1, column 9."),
        (b'{"Name": NaN}', "The body contains NaN, which is not a JSON value."),
        (b'{"a": 1, "a": 1}', 'The key "a" appears twice in one object.'),
        (b'{"a": 18446744073709551616}', "The number 18446744073709551616 doesn't fit in 64 bits."),
        (b'{"a": "\xff"}', "The body is not valid UTF-8 at byte 7."),
        (
            b"[" * 1000 + b"]" * 1000,
            "The body is nested too deeply: at most 32 levels of objects and lists are allowed.",
        ),
    ],
)
def test_malformed_body_is_refused_with_its_reason(client, store, body, message):
    assert refused(create(client, body), 400) == {"message": message}
    assert store.definitions == {}


@pytest.mark.parametrize(
    ("character", "what"),
    [("\\u0000", "a NUL character, which is not allowed"),
     ("\\ud800", "a lone surrogate, which is not a character")],
)  # fmt: skip
def test_string_that_nothing_can_hold_is_refused_under_its_path(client, store, character, what):
    body = b'{"Name": "a", "Config": {"Image": "u", "Cmd": ["x", "%s"]}}' % character.encode()
    sentence = f"Config.Cmd.1 contains {what}."
    assert refused(create(client, body), 400) == {
        "message": sentence,
        "errors": {"Config.Cmd.1": [sentence]},
    }
    assert store.definitions == {}


def test_every_wrong_field_is_reported_at_once(client, store):
    document = {"Name": "A", "Timout": 1, "Config": {"Image": "u", "Env": ["A=b", "=c"]}}
    name = (
        "Name is \"A\", but must be 1 to 255 characters of a-z, 0-9 and '-', "
        "with no '-' at either end."
    )
    assert refused(create(client, document), 400) == {
        "message": f"{name} 2 more: see errors.",
        "errors": {
            "Name": [name],
            "Config.Env.1": ['Config.Env.1 is "=c", but must be VAR=value, with VAR not empty.'],
            "Timout": ["Timout is not a known field: did you mean Timeout?"],
        },
    }
    assert store.definitions == {}


def test_create_func_with_taken_name_conflicts(client, store):
    first = create(client, HELLO).get_data(as_text=True)
    answer = create(client, {**HELLO, "Timeout": 1})
    assert refused(answer, 409) == {
        "message": 'Name is "helloworld", but a function with that name already exists.'
    }
    assert store.definitions == {"helloworld": first}


def test_what_clients_send_and_the_service_gives_is_ignored(client):
    sent = {"UUID": "e62c014e-386c-42ea-8d07-41d44e98cc3d", "Created": "0001-01-01T00:00:00Z"}
    answered = create(client, {**HELLO, **sent}).get_json()
    assert answered["UUID"] != sent["UUID"]
    assert answered["Created"] > "2020"


def test_null_means_absent_everywhere(client):
    document = {
        "Name": "f",
        "ContainerSize": None,
        "Timeout": None,
        "UUID": None,
        "Config": {"Image": "ubuntu", "Cmd": None, "Env": None, "Tty": None, "Labels": None,
                   "ExposedPorts": None, "StopSignal": None, "Nonsense": None},
        "HostConfig": None,
        "NetworkingConfig": {"EndpointsConfig": None},
        "Nonsense": None,
    }  # fmt: skip
    answer = create(client, document)
    assert answer.status_code == 201
    body = answer.get_json()
    assert (body["ContainerSize"], body["Timeout"]) == ("s4", 300)
    assert body["Config"] == {"Env": [], "Image": "ubuntu", "StopSignal": "SIGTERM"}
    assert body["HostConfig"] == {"NetworkMode": "bridge"}


def test_characters_beyond_ascii_are_kept(client, store):
    document = {**HELLO, "Config": {"Image": "ubuntu", "Env": ["A=ä☃😀"]}}
    answer = create(client, document)
    assert '"Env": ["A=ä☃😀"]' in answer.get_data().decode("utf-8")
    assert store.definitions["helloworld"] == answer.get_data().decode("utf-8")


def test_unknown_image_is_refused(small, store):
    sentence = (
        'Config.Image is "nope", but there is no such image: '
        "the engine doesn't have it, and pulls are turned off."
    )
    answer = create(small.client, {"Name": "f", "Config": {"Image": "nope"}})
    assert refused(answer, 400) == {"message": sentence, "errors": {"Config.Image": [sentence]}}
    assert store.definitions == {}


def test_nothing_to_run_is_refused(small, store):
    sentence = (
        "Config.Cmd is missing, but is required: neither Config.Entrypoint nor the image "
        '"mute" says what to run.'
    )
    answer = create(small.client, {"Name": "f", "Config": {"Image": "mute"}})
    assert refused(answer, 400) == {"message": sentence, "errors": {"Config.Cmd": [sentence]}}
    assert store.definitions == {}


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ("l1", "it needs 4 CPUs, and the engine has 2"),
        ("m3", "it needs 4096 MB of memory, and the engine has 2048 MB"),
    ],
)
def test_size_that_the_engine_can_not_hold_is_refused(small, store, size, reason):
    sentence = f'ContainerSize is "{size}", but must fit the engine: {reason}.'
    document = {"Name": "f", "ContainerSize": size, "Config": {"Image": "ubuntu"}}
    answer = create(small.client, document)
    assert refused(answer, 400) == {"message": sentence, "errors": {"ContainerSize": [sentence]}}
    assert store.definitions == {}


def test_settings_of_the_operator_reach_the_definition(store, engine):
    client = make_client(store, engine, FUNCSVC_ALLOW_LINKS="0", FUNCSVC_ALLOWED_IMAGES="team/*")
    document = {
        "Name": "f",
        "Config": {"Image": "ubuntu"},
        "HostConfig": {"Links": ["db:db"]},
    }
    assert set(refused(create(client, document), 400)["errors"]) == {
        "Config.Image",
        "HostConfig.Links",
    }
    assert store.definitions == {}


def test_short_body_that_would_be_stored_at_length_is_too_large(client, store):
    for words, status in ((100_000, 201), (110_000, 413)):
        config = {"Image": "ubuntu", "Cmd": "a " * words}
        answer = client.post("/funcs/create", json={"Name": f"f{words}", "Config": config})
        assert answer.status_code == status
    assert answer.get_json() == {
        "message": "The definition is too large: written out in full, at most 524288 bytes are "
        "accepted."
    }
    assert list(store.definitions) == ["f100000"]
