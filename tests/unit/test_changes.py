"""The body of an update: what can change, what can be repeated, and what is refused."""

from __future__ import annotations

import json
import re

import pytest

from funcsvc.model import SIZES
from funcsvc.model.errors import InvalidDefinition
from funcsvc.schemas import ChangesSchema
from tests.unit.loading import answer

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
STORED = answer(
    {
        "Name": "helloworld",
        "ContainerSize": "s4",
        "Timeout": 300,
        "Config": {
            "Image": "ubuntu",
            "Cmd": ["echo", "a b"],
            "Entrypoint": ["sh", "-c"],
            "Env": ["A=1", "B="],
            "Tty": True,
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "WorkingDir": "/tmp",
            "Labels": {"k": "v", "l": ""},
            "StopSignal": "SIGINT",
        },
        "HostConfig": {
            "NetworkMode": "bridge",
            "Links": ["other:alias"],
            "PortBindings": {"80/tcp": [{"HostPort": "8000"}]},
            "PublishAllPorts": True,
            "VolumesFrom": ["data:ro"],
        },
    }
)


def changed(document, stored=STORED):
    """Return what a body changes a stored definition to."""
    definition = json.dumps(stored, ensure_ascii=False)
    return json.loads(ChangesSchema().load_changes(document, definition).apply_to(definition))


def errors_of(document) -> dict:
    with pytest.raises(InvalidDefinition) as caught:
        changed(document)
    return dict(caught.value.field_errors)


def with_value(path: str, value) -> dict:
    section, dot, option = path.partition(".")
    return {section: {option: value}} if dot else {section: value}


def expected(path: str, value) -> dict:
    section, dot, option = path.partition(".")
    return {**STORED, section: {**STORED[section], option: value} if dot else value}


@pytest.mark.parametrize("size", SIZES)
def test_size_may_change(size):
    assert changed({"ContainerSize": size}) == expected("ContainerSize", size)


@pytest.mark.parametrize("timeout", [1, 299, 300, 86400])
def test_timeout_may_change(timeout):
    assert changed({"Timeout": timeout}) == expected("Timeout", timeout)


@pytest.mark.parametrize("env", [["A=2"], ["X=", "Y=a=b", "Z=ä☃"], [], ["A=1", "B="]])
def test_env_may_change_and_an_empty_list_clears_it(env):
    assert changed({"Config": {"Env": env}}) == expected("Config.Env", env)


@pytest.mark.parametrize("document", [{}, {"Config": {}}, {"ContainerSize": "s4"}, {"Config": ""}])
def test_env_that_is_absent_is_left(document):
    assert changed(document) == STORED


def test_all_that_may_change_changes_at_once():
    body = {"ContainerSize": "m1", "Timeout": 5, "Config": {"Env": ["C=3"]}, "Refresh": True}
    after = changed(body)
    assert UUID.fullmatch(after["UUID"])
    assert after == {
        **STORED,
        "ContainerSize": "m1",
        "Timeout": 5,
        "UUID": after["UUID"],
        "Config": {**STORED["Config"], "Env": ["C=3"]},
    }


def test_refresh_gives_a_new_uuid_each_time():
    uuids = {changed({"Refresh": True})["UUID"] for _ in range(10)}
    assert len(uuids - {STORED["UUID"]}) == 10
    assert all(UUID.fullmatch(uuid) for uuid in uuids)


def test_refresh_made_again_of_what_another_left_keeps_that():
    changes = ChangesSchema().load_changes({"Refresh": True}, json.dumps(STORED))
    first, second = (
        json.loads(changes.apply_to(json.dumps({**STORED, "Timeout": seconds})))
        for seconds in (1, 2)
    )
    assert (first["Timeout"], second["Timeout"]) == (1, 2)
    assert len({first["UUID"], second["UUID"], STORED["UUID"]}) == 3


@pytest.mark.parametrize("document", [{"Refresh": False}, {}])
def test_uuid_stays_without_refresh(document):
    assert changed(document) == STORED


def test_body_of_the_original_client_works():
    body = {
        "Name": "helloworld",
        "ContainerSize": "s3",
        "Created": "0001-01-01T00:00:00Z",
        "Refresh": True,
        "Config": {},
        "HostConfig": {},
        "NetworkingConfig": {"EndpointsConfig": {}},  # null after nulls are removed
    }
    after = changed(body)
    assert after["UUID"] != STORED["UUID"]
    assert after == {**STORED, "ContainerSize": "s3", "UUID": after["UUID"]}


def test_definition_said_again_whole_changes_nothing():
    said = {**STORED, "NetworkingConfig": {}}  # null after nulls are removed
    assert changed(said) == STORED


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Config.Cmd", "echo 'a b'"),
        ("Config.Entrypoint", "sh -c"),
        ("Config.ExposedPorts", {"80": {}, "53/udp": {}}),
        ("Config.ExposedPorts", {"53/udp": {}, "80/tcp": {}}),
        ("Config.Labels", {"l": "", "k": "v"}),
        ("HostConfig.PortBindings", {"80": [{"HostIp": "", "HostPort": "8000"}]}),
    ],
)
def test_value_of_today_may_be_said_in_other_words(path, value):
    assert changed(with_value(path, value)) == STORED


UNCHANGEABLE = {
    "Name": "other",
    "UUID": "e62c014e-386c-42ea-8d07-41d44e98cc3d",
    "Created": "2017-03-16T07:05:24.473Z",
    "Config.Image": "debian",
    "Config.Cmd": ["echo"],
    "Config.Entrypoint": ["sh"],
    "Config.ExposedPorts": {"81/tcp": {}},
    "Config.WorkingDir": "/",
    "Config.Labels": {"k": "w"},
    "Config.StopSignal": "SIGTERM",
    "HostConfig.NetworkMode": "host",
    "HostConfig.Links": ["other:else"],
    "HostConfig.PortBindings": {"80/tcp": [{"HostPort": "8001"}]},
    "HostConfig.VolumesFrom": ["data:rw"],
}
FLAGS = ["Config.Tty", "HostConfig.PublishAllPorts"]


def test_every_field_that_can_not_change_is_tried_here():
    fields = set(STORED) - {"ContainerSize", "Timeout", "NetworkingConfig"}
    for section in ("Config", "HostConfig"):
        fields.remove(section)
        fields |= {f"{section}.{option}" for option in STORED[section]}
    assert {*UNCHANGEABLE, *FLAGS} == fields - {"Config.Env"}


@pytest.mark.parametrize(("path", "value"), UNCHANGEABLE.items())
def test_field_that_can_not_change_is_refused(path, value):
    stored = STORED
    for part in path.split("."):
        stored = stored[part]
    (sentence,) = errors_of(with_value(path, value))[path]
    said, today = (json.dumps(one, ensure_ascii=False) for one in (value, stored))
    assert sentence == f"{path} is {said}, but can't change: it is {today}."


@pytest.mark.parametrize("path", FLAGS)
def test_flag_that_can_not_change_is_refused(path):
    section, _, option = path.partition(".")
    stored = {**STORED, section: {k: v for k, v in STORED[section].items() if k != option}}
    with pytest.raises(InvalidDefinition) as caught:
        changed(with_value(path, True), stored)
    assert list(caught.value.field_errors) == [path]


@pytest.mark.parametrize("path", [*UNCHANGEABLE, *FLAGS])
@pytest.mark.parametrize("empty", ["", [], {}, 0, False])
def test_empty_value_of_a_field_that_can_not_change_is_left_alone(path, empty):
    assert changed(with_value(path, empty)) == STORED


@pytest.mark.parametrize("section", ["Config", "HostConfig", "NetworkingConfig"])
@pytest.mark.parametrize("empty", [{}, "", []])
def test_empty_section_is_left_alone(section, empty):
    assert changed({section: empty}) == STORED


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ContainerSize", "s5"),
        ("ContainerSize", ""),
        ("ContainerSize", 4),
        ("Timeout", 0),
        ("Timeout", 86401),
        ("Timeout", "300"),
        ("Timeout", True),
        ("Timeout", 1.5),
        ("Refresh", "true"),
        ("Refresh", 1),
        ("Refresh", ""),
        ("Config.Env", ""),
        ("Config.Env", {}),
        ("Config.Env", "A=1"),
        ("Config", "x"),
        ("Config", [1]),
        ("HostConfig", True),
        ("Name", "Not A Name"),
        ("Name", ["helloworld"]),
        ("UUID", 5),
        ("Created", ["x"]),
        ("Config.Image", "Not A Reference"),
        ("Config.Cmd", 1),
        ("Config.WorkingDir", "tmp"),
        ("Config.Tty", "yes"),
        ("HostConfig.NetworkMode", "none"),
        ("NetworkingConfig.EndpointsConfig", {"net": {}}),
    ],
)
def test_bad_value_is_refused_under_its_path(path, value):
    errors = errors_of(with_value(path, value))
    assert list(errors) == [path]
    assert errors[path][0].startswith(f"{path} is ")


def test_bad_variable_is_refused_under_its_place():
    assert list(errors_of({"Config": {"Env": ["A=1", "=x", "y"]}})) == [
        "Config.Env.1",
        "Config.Env.2",
    ]


@pytest.mark.parametrize("path", ["Timout", "refresh", "Config.User", "HostConfig.Memory", "x.y"])
def test_unknown_field_is_refused(path):
    errors = errors_of(with_value(path, "1"))
    assert list(errors) == [path.partition(".")[0] if path == "x.y" else path]


def test_every_change_that_is_refused_is_named_at_once():
    body = {
        "Name": "other",
        "Timeout": 5,
        "Config": {"Image": "debian", "Env": []},
        "HostConfig": {"NetworkMode": "host", "Links": []},
    }
    assert list(errors_of(body)) == ["Name", "Config.Image", "HostConfig.NetworkMode"]


def test_definition_that_the_operator_forbids_by_now_can_still_be_updated():
    definition = {"Name": "f", "Config": {"Image": "a"}, "HostConfig": {"NetworkMode": "host"}}
    stored = json.loads(json.dumps(answer(definition)))
    after = changed({"Timeout": 1, "HostConfig": {"NetworkMode": "host"}}, stored)
    assert after == {**stored, "Timeout": 1}
