"""The definition as a whole: defaults, the shape of the answer, and all errors at once."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from funcsvc.model import SIZES
from funcsvc.schemas import func_document, parse_json_object
from funcsvc.schemas.func import format_time
from tests.unit.loading import answer, definition, errors_of, load, with_option

EXAMPLE_REQUEST = {
    "Name": "helloworld",
    "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "ubuntu"},
}
EXAMPLE_ANSWER = (
    '{"Name": "helloworld", "ContainerSize": "s4", "Timeout": 300, '
    '"UUID": "e62c014e-386c-42ea-8d07-41d44e98cc3d", "Created": "2017-03-16T07:05:24.473Z", '
    '"Config": {"Env": [], "Cmd": ["echo", "HelloWorld"], "Image": "ubuntu", '
    '"StopSignal": "SIGTERM"}, '
    '"HostConfig": {"NetworkMode": "bridge"}, '
    '"NetworkingConfig": {"EndpointsConfig": null}}'
)
"""The contract's example on one line."""


def test_the_contracts_example_is_answered_byte_for_byte():
    func = replace(
        load(EXAMPLE_REQUEST),
        uuid="e62c014e-386c-42ea-8d07-41d44e98cc3d",
        created=datetime(2017, 3, 16, 7, 5, 24, 473000, tzinfo=UTC),
    )
    assert json.dumps(func_document(func)) == EXAMPLE_ANSWER


def test_defaults_are_those_of_the_contract():
    func = load(definition())
    assert func.size == SIZES["s4"]
    assert func.timeout_seconds == 300
    assert func.config.env == ()
    assert func.config.stop_signal == "SIGTERM"
    assert func.host_config.network_mode == "bridge"


def test_every_option_is_answered_in_its_place():
    document = {
        "NetworkingConfig": {},
        "HostConfig": {
            "PublishAllPorts": True,
            "Links": ["db:db"],
            "VolumesFrom": ["data:ro"],
            "PortBindings": {"80": [{"HostPort": "8080"}]},
            "NetworkMode": "bridge",
        },
        "Config": {
            "StopSignal": "KILL",
            "Labels": {"a": "b"},
            "Entrypoint": "sh -c",
            "WorkingDir": "/w",
            "Image": "ubuntu:22.04",
            "Cmd": "echo a",
            "Env": ["A=b"],
            "Tty": True,
            "ExposedPorts": {"80": {}},
        },
        "Timeout": 1,
        "ContainerSize": "l3",
        "Name": "all",
    }
    answered = answer(document)
    assert list(answered) == [
        "Name",
        "ContainerSize",
        "Timeout",
        "UUID",
        "Created",
        "Config",
        "HostConfig",
        "NetworkingConfig",
    ]
    del answered["UUID"], answered["Created"]
    assert json.dumps(answered) == json.dumps(
        {
            "Name": "all",
            "ContainerSize": "l3",
            "Timeout": 1,
            "Config": {
                "ExposedPorts": {"80/tcp": {}},
                "Tty": True,
                "Env": ["A=b"],
                "Cmd": ["echo", "a"],
                "Image": "ubuntu:22.04",
                "WorkingDir": "/w",
                "Entrypoint": ["sh", "-c"],
                "Labels": {"a": "b"},
                "StopSignal": "KILL",
            },
            "HostConfig": {
                "NetworkMode": "bridge",
                "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
                "VolumesFrom": ["data:ro"],
                "Links": ["db:db"],
                "PublishAllPorts": True,
            },
            "NetworkingConfig": {"EndpointsConfig": None},
        }
    )


def test_what_is_answered_defines_the_same_func_again():
    document = definition({"Cmd": "a 'b c'", "ExposedPorts": {"80": {}}})
    first = json.loads(json.dumps(answer(document)))
    second = answer(parse_json_object(json.dumps(first).encode()))
    second["Config"]["Env"] = list(second["Config"]["Env"])
    assert {**second, "UUID": "", "Created": ""} == {**first, "UUID": "", "Created": ""}


def test_uuid_is_random_and_of_version_4():
    uuids = {load(definition()).uuid for _ in range(100)}
    assert len(uuids) == 100
    pattern = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(pattern, uuid) for uuid in uuids)


def test_created_is_now_in_utc():
    before = datetime.now(UTC)
    created = load(definition()).created
    assert before <= created <= datetime.now(UTC)
    assert created.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2017, 3, 16, 7, 5, 24, 473000, tzinfo=UTC), "2017-03-16T07:05:24.473Z"),
        (datetime(2017, 3, 16, 7, 5, 24, 0, tzinfo=UTC), "2017-03-16T07:05:24.000Z"),
        (datetime(2017, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "2017-12-31T23:59:59.999Z"),
        (datetime(2017, 1, 2, 3, 4, 5, 999, tzinfo=UTC), "2017-01-02T03:04:05.000Z"),
    ],
)
def test_time_is_written_in_rfc_3339_with_milliseconds(time, text):
    assert format_time(time) == text


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00Z", "", "nonsense", 0, 1.5, True, [], {"a": 1}]
)
@pytest.mark.parametrize("field", ["UUID", "Created"])
def test_what_the_service_gives_is_ignored_in_a_request(field, value):
    answered = answer({**definition(), field: value})
    assert answered[field] != value


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("Timout", "did you mean Timeout?"),
        ("name", "did you mean Name?"),
        ("Containersize", "did you mean ContainerSize?"),
        ("Hostconfig", "did you mean HostConfig?"),
        ("Config.Comand", "did you mean Cmd?"),
        ("Config.image", "did you mean Image?"),
        ("Config.EntryPoint", "did you mean Entrypoint?"),
        ("Config.StopSignals", "did you mean StopSignal?"),
        ("HostConfig.Network", "did you mean NetworkMode?"),
        ("HostConfig.PublishAllPort", "did you mean PublishAllPorts?"),
        ("NetworkingConfig.EndpointConfig", "did you mean EndpointsConfig?"),
        ("NetworkingConfig.zzz", "the fields are EndpointsConfig."),
        (
            "HostConfig.zzz",
            "the fields are NetworkMode, PortBindings, VolumesFrom, Links, PublishAllPorts.",
        ),
        (
            "zzz",
            "the fields are Name, ContainerSize, Timeout, UUID, Created, Config, HostConfig, "
            "NetworkingConfig.",
        ),
        (
            "Config.zzz",
            "the fields are ExposedPorts, Tty, Env, Cmd, Image, WorkingDir, Entrypoint, Labels, "
            "StopSignal.",
        ),
    ],
)
def test_unknown_field_is_refused_and_names_the_nearest(path, hint):
    assert errors_of(with_option(path, 1)) == {path: [f"{path} is not a known field: {hint}"]}


@pytest.mark.parametrize("name", ["_schema", "name", "load_new", "__class__", "Meta", "fields"])
@pytest.mark.parametrize("section", ["", "Config.", "HostConfig.", "NetworkingConfig."])
def test_unknown_field_of_any_name_is_refused_under_its_own_path(section, name):
    path = section + name
    errors = errors_of(with_option(path, 1))
    assert list(errors) == [path]
    assert errors[path][0].startswith(f"{path} is not a known field: ")


@pytest.mark.parametrize(
    "path", ["Config.Labels", "Config.ExposedPorts", "HostConfig.PortBindings"]
)
def test_map_key_that_looks_like_one_of_marshmallows_is_a_key_as_any_other(path):
    assert list(errors_of(with_option(path, {"_schema": 5}))) == [f"{path}._schema"]


def test_unknown_field_without_a_name_is_shown_as_an_empty_string():
    (sentence,) = errors_of({**definition(), "": 1})['""']
    assert sentence.startswith('"" is not a known field: ')


def test_unknown_field_with_a_long_name_is_named_by_its_beginning():
    assert list(errors_of({**definition(), "x" * 5000: 1})) == ["x" * 80 + "…"]


def test_every_wrong_field_is_reported_at_once():
    errors = errors_of(
        {
            "Name": "-",
            "ContainerSize": "xl",
            "Timeout": 0,
            "Timout": 1,
            "Config": {
                "Image": "UBUNTU",
                "Cmd": ["a", 1],
                "Entrypoint": 1,
                "Env": ["A", "B=b", "=c"],
                "Tty": "yes",
                "ExposedPorts": {"0": {}, "80": 1},
                "WorkingDir": "w",
                "Labels": {"a": 1},
                "StopSignal": "NOPE",
                "User": "root",
            },
            "HostConfig": {
                "Links": ["db:"],
                "PortBindings": {"80/tcp": [{"HostPort": 80}, {"HostIp": "x", "HostPort": "0"}]},
                "PublishAllPorts": 1,
                "VolumesFrom": ["a:b"],
                "NetworkMode": "none",
                "Memory": 1,
            },
            "NetworkingConfig": {"EndpointsConfig": {"net": {}}},
        }
    )
    assert set(errors) == {
        "Name",
        "ContainerSize",
        "Timeout",
        "Timout",
        "Config.Image",
        "Config.Cmd.1",
        "Config.Entrypoint",
        "Config.Env.0",
        "Config.Env.2",
        "Config.Tty",
        "Config.ExposedPorts.0",
        "Config.ExposedPorts.80",
        "Config.WorkingDir",
        "Config.Labels.a",
        "Config.StopSignal",
        "Config.User",
        "HostConfig.Links.0",
        "HostConfig.PortBindings.80/tcp.0.HostPort",
        "HostConfig.PortBindings.80/tcp.1.HostIp",
        "HostConfig.PortBindings.80/tcp.1.HostPort",
        "HostConfig.PublishAllPorts",
        "HostConfig.VolumesFrom.0",
        "HostConfig.NetworkMode",
        "HostConfig.Memory",
        "NetworkingConfig.EndpointsConfig",
    }
    for path, sentences in errors.items():
        assert len(sentences) == 1
        assert sentences[0].startswith(f"{path} is ")
        assert re.search(r"[^.?][.?]$", sentences[0])


def test_fields_of_paths_that_look_alike_are_both_reported():
    errors = errors_of({**definition({"Env": 1}), "Config.Env": 1})
    assert sum(len(sentences) for sentences in errors.values()) == 2


def test_empty_definition_lacks_name_and_image():
    assert list(errors_of({})) == ["Name", "Config.Image"]


def test_long_value_is_cut_in_its_message():
    (sentence,) = errors_of(with_option("Name", "A" * 100_000))["Name"]
    assert len(sentence) < 250
    assert "…" in sentence


def test_value_is_shown_with_its_own_characters():
    (sentence,) = errors_of(with_option("Name", "ä☃"))["Name"]
    assert sentence.startswith('Name is "ä☃", but must be ')
