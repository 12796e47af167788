"""What an older version has stored can be read and updated, whatever the rules are by now."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from funcsvc.model.errors import DefinitionTooLarge, InvalidDefinition
from funcsvc.schemas import ChangesSchema, check_rules, func_text, load_func
from tests.unit.loading import answer, definition

LONG = "x" * 131_073
BROKEN: list[tuple[str, Any]] = [
    ("Name", "Not_A_Name"),
    ("ContainerSize", "s9"),
    ("Timeout", 86_401),
    ("Config.Image", "Not A Reference"),
    ("Config.Cmd", [LONG]),
    ("Config.Entrypoint", [LONG]),
    ("Config.Env", [f"SECRET={LONG}"]),
    ("Config.Env", ["SECRET"]),
    ("Config.Tty", "yes"),
    ("Config.ExposedPorts", {"0/tcp": {}}),
    ("Config.WorkingDir", "tmp"),
    ("Config.WorkingDir", "/.funcsvc/x"),
    ("Config.WorkingDir", "/x" * 256),
    ("Config.Labels", {"a": 1}),
    ("Config.Labels", {"a": "\0"}),
    ("Config.StopSignal", "NOPE"),
    ("HostConfig.NetworkMode", "none"),
    ("HostConfig.Links", ["a:b:c"]),
    ("HostConfig.VolumesFrom", ["a:z"]),
    ("HostConfig.PublishAllPorts", "yes"),
    ("HostConfig.PortBindings", {"80/sctp": [{"HostIp": "", "HostPort": ""}]}),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostIp": "::1%lo", "HostPort": ""}]}),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": "0"}]}),
    ("HostConfig.PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": "80"}] * 2}),
    (
        "HostConfig",
        {"NetworkMode": "container:a", "PublishAllPorts": True},
    ),
]
BROKEN_IDS = [f"{path}={json.dumps(value)[:40]}" for path, value in BROKEN]
every_broken_rule = pytest.mark.parametrize(("path", "value"), BROKEN, ids=BROKEN_IDS)


def stored(path: str, value: Any) -> str:
    document = json.loads(json.dumps(answer(definition())))
    section, dot, option = path.partition(".")
    if dot:
        document[section][option] = value
    else:
        document[section] = value
    return json.dumps(document, ensure_ascii=False)


def test_a_rule_of_every_field_is_broken_here() -> None:
    written = ChangesSchema()
    paths = {"Name", "ContainerSize", "Timeout"}
    for section in ("config", "host_config"):
        nested: Any = written.fields[section]
        keys = (field.data_key for field in nested.schema.fields.values())
        paths |= {f"{nested.data_key}.{key}" for key in keys}
    assert {path for path, _ in BROKEN} - {"HostConfig"} == paths


@every_broken_rule
def test_stored_definition_that_breaks_a_rule_by_now_is_read_as_it_was_written(path, value) -> None:
    text = stored(path, value)
    assert json.loads(func_text(load_func(text))) == json.loads(text)


@every_broken_rule
def test_stored_definition_that_breaks_a_rule_by_now_is_told_from_others(path, value) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        check_rules(stored(path, value))
    assert all(found.startswith(path) for found in caught.value.field_errors)
    check_rules(func_text(load_func(json.dumps(answer(definition())))))


@every_broken_rule
def test_stored_definition_that_breaks_a_rule_by_now_can_be_updated(path, value) -> None:
    text = stored(path, value)
    said_again = {**json.loads(text), "NetworkingConfig": {}}
    for body in ({}, said_again):
        changes = ChangesSchema().load_changes({**body, "Timeout": 5, "Refresh": True}, text)
        after = json.loads(changes.apply_to(text))
        assert after == {**json.loads(text), "Timeout": 5, "UUID": after["UUID"]}
        assert after["UUID"] != json.loads(text)["UUID"]


@pytest.mark.parametrize(
    ("path", "value"), [("Config.Env", [f"OTHER={LONG}"]), ("Timeout", True), ("Timeout", 1.0)]
)
def test_value_that_differs_from_the_stored_one_is_held_to_the_rules(path, value) -> None:
    text = stored("Timeout", 1)
    section, dot, option = path.partition(".")
    with pytest.raises(InvalidDefinition):
        ChangesSchema().load_changes({section: {option: value} if dot else value}, text)


def test_update_that_says_a_value_again_still_sets_it_where_another_came_in_between() -> None:
    first, second = stored("Config.Env", ["A=1"]), stored("Config.Env", ["A=2"])
    changes = ChangesSchema().load_changes({"Config": {"Env": ["A=1"]}}, first)
    assert json.loads(changes.apply_to(second))["Config"]["Env"] == ["A=1"]


@pytest.mark.parametrize(
    ("body", "is_refused"),
    [
        ({"Timeout": 3000}, False),
        ({"Config": {"Env": ["A=1"]}}, False),
        ({"Config": {"Env": ["A=1", "B=22"]}}, True),
    ],
)
def test_stored_definition_that_is_too_large_by_now_can_be_updated_but_not_grow(body, is_refused):
    config = {"Env": ["A=1", "B=2"], "Cmd": ["a"] * 200_000, "Image": "a", "StopSignal": "TERM"}
    text = stored("Config", config)
    changes = ChangesSchema().load_changes(body, text)
    with pytest.raises(DefinitionTooLarge) if is_refused else contextlib.nullcontext():
        changes.apply_to(text)
