"""The document's request schemas accept exactly what the service accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from funcsvc.model.errors import InvalidDefinition
from funcsvc.schemas import ChangesSchema, FuncSchema, func_text, parse_json_object
from tests.api.openapi import component

NAMES = ("a", "a-b", "0", "a" * 255, "", "-a", "a-", "A", "a_b", "é", "a" * 256, 1)
CASES = [
    *(("Name", value) for value in NAMES),
    *(("ContainerSize", value) for value in ("s1", "l3", "S1", "", 4, None)),
    *(("Timeout", value) for value in (1, 86400, 0, 86401, -1, "1", 1.5, True, None)),
    *(("UUID", value) for value in ("", 1, None, ["x"])),
    *(("Refresh", value) for value in (True, None)),
    *(("Config.Image", value) for value in (
        "ubuntu", "ubuntu:22.04", "a.b:5000/c/d:e", f"a@sha256:{'0' * 64}", "localhost/a",
        "Ubuntu", "", "a:", "a b", "0" * 64, "B/a", "a@sha256:0", "a/", 1, None,
    )),
    *((f"Config.{key}", value) for key in ("Cmd", "Entrypoint") for value in (
        ["a", ""], [], "a 'b c'", "", "a 'b", 'a "b\\"', "a\\", "a\\ b", [1], 1,
        ["x" * 131071], ["x" * 131072], [None], {}, None,
    )),
    *(("Config.Env", value) for value in (
        ["A=b"], ["A="], ["A=b=c\n"], [], ["=a"], ["A"], [1], "A=b", {}, None,
        ["A=" + "x" * 131069], ["A=" + "x" * 131070],
    )),
    *(("Config.Tty", value) for value in (True, False, 1, "true", None)),
    *(("Config.ExposedPorts", value) for value in (
        {"80": {}}, {"65535/udp": {}}, {"1/tcp": {}}, {"80": None}, {"x": None}, {}, {"0": {}},
        {"65536": {}}, {"80/sctp": {}}, {"080": {}}, {"80": {"a": 1}}, {"80": []}, [], None,
    )),
    *(("Config.WorkingDir", value) for value in ("/", "/a b", "a", "", 1, None)),
    *(("Config.WorkingDir", f"/{value}") for value in (
        ".funcsvc", "/.funcsvc/", "././/.funcsvc/a", ".funcsvc/a..b", ".funcsvc/..",
        ".funcsvc/../a", ".funcsvc/a/../../b", ".funcsvca", "a/.funcsvc",
    )),
    *(("Config.Labels", value) for value in ({"a": "b"}, {}, {"": ""}, {"a": None}, {"a": 1}, [])),
    *(("Config.StopSignal", value) for value in (
        "SIGTERM", "term", "sigRtMin+3", "9", 9, "SIGNOPE", "0", 0, -1, "", "RTMIN+99", True, None,
        "007", "00", "0" * 40 + "9", str(2**63 - 1), "0" + str(2**63 - 1), str(2**63), "9" * 19,
        "1٣",
    )),
    *(("HostConfig.NetworkMode", value) for value in (
        "bridge", "host", "container:a", "container:", "none", "container:a b", "", 1, None,
    )),
    *(("HostConfig.PortBindings", value) for value in (
        {"80": [{"HostPort": "8000-8010"}]}, {"80": [{"HostIp": "::1", "HostPort": ""}]},
        {"80": []}, {"80/udp": [{"HostIp": "10.0.0.1"}]}, {"80": [{"HostPort": None}]},
        {"80": None},
        {"80": [{"x": None}]}, {"80": [{"HostPort": 80}]}, {"80": [{"HostPort": "0"}]},
        {"80": [{"HostIp": "10.0.0.256"}]}, {"80": [{"HostPort": "65536"}]}, {"80": [{"x": 1}]},
        {"80": [None]}, {"80": {}}, {"a": []},
    )),
    *(("HostConfig.PublishAllPorts", value) for value in (True, False, 0, None)),
    *(("HostConfig.VolumesFrom", value) for value in (
        ["a"], ["a:ro"], ["a:rx"], [":ro"], "a", None,
    )),
    *(("HostConfig.Links", value) for value in (
        ["a:b"], ["/a:b"], ["a"], ["/a"], ["a:b:c"], ["/a:/b"], "a:b", None,
    )),
    *(("NetworkingConfig.EndpointsConfig", value) for value in (
        None, {}, {"a": None}, {"a": {}}, [],
    )),
    *((key, value) for key in ("Config", "HostConfig", "NetworkingConfig") for value in (
        None, [], "", {}, {"Nope": 1}, {"Nope": None},
    )),
    *(("Nope", value) for value in (1, None)),
    ("HostConfig", {"NetworkMode": "host", "Links": ["a:b"]}),
    ("HostConfig", {"NetworkMode": "host", "Links": []}),
    ("HostConfig", {"NetworkMode": None, "Links": ["a:b"]}),
    ("HostConfig", {"NetworkMode": "container:a", "PortBindings": {"80": []}}),
    ("HostConfig", {"NetworkMode": "container:a", "PublishAllPorts": True}),
    ("HostConfig", {"NetworkMode": "container:a", "PublishAllPorts": False}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), CASES)
def test_schema_of_a_new_func_accepts_what_the_service_accepts(
    document: dict[str, Any], path: str, value: Any
) -> None:
    body: dict[str, Any] = {"Name": "helloworld", "Config": {"Image": "ubuntu"}}
    section, _, option = path.partition(".")
    if option:
        body.setdefault(section, {})[option] = value
    else:
        body[section] = value
    assert component(document, "NewFunc").is_valid(body) == accepts(FuncSchema().load_new, body)


def accepts(load: Callable[[dict[str, Any]], Any], body: dict[str, Any]) -> bool:
    """Tell whether a body is accepted when it arrives as JSON."""
    try:
        load(parse_json_object(json.dumps(body).encode()))
    except InvalidDefinition:
        return False
    return True


def test_exposed_ports_go_with_no_other_containers_network(document: dict[str, Any]) -> None:
    body = {
        "Name": "helloworld",
        "Config": {"Image": "ubuntu", "ExposedPorts": {"80": {}}},
        "HostConfig": {"NetworkMode": "container:a"},
    }
    assert not accepts(FuncSchema().load_new, body)
    assert not component(document, "NewFunc").is_valid(body)
    body["Config"]["ExposedPorts"] = {}
    assert accepts(FuncSchema().load_new, body)
    assert component(document, "NewFunc").is_valid(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Timeout": 7},
        {"Timeout": None},
        {"Timeout": 0},
        {"ContainerSize": ""},
        {"Refresh": 1},
        {"Config": {"Env": []}},
        {"Config": {"Env": ""}},
        {"Config": {"Image": "", "Tty": False, "Labels": {}}},
        {"Config": "", "HostConfig": [], "NetworkingConfig": None},
        {"Name": "", "UUID": "", "Created": "0001-01-01T00:00:00Z"},
        {"Nope": ""},
        {"Config": {"Nope": None}},
        {"NetworkingConfig": {"EndpointsConfig": ""}},
        {"Nope": 1},
        {"HostConfig": {"NetworkMode": "nope"}},
        {"NetworkingConfig": {"EndpointsConfig": {"a": {}}}},
    ],
)
def test_schema_of_a_change_accepts_what_the_service_accepts(
    document: dict[str, Any], body: dict[str, Any]
) -> None:
    stored = func_text(FuncSchema().load_new({"Name": "helloworld", "Config": {"Image": "ubuntu"}}))
    is_accepted = accepts(lambda said: ChangesSchema().load_changes(said, stored), body)
    assert component(document, "ChangedFunc").is_valid(body) == is_accepted
