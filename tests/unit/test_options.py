"""The options with which a func's container is created, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from funcsvc.config import load_settings
from funcsvc.engine.containers.options import (
    KEPT_CAPABILITIES,
    Wanted,
    command_of,
    container_options,
)
from funcsvc.model import MEGABYTE, Capacity, Func, Image
from funcsvc.schemas import FuncSchema

IMAGE = Image("sha256:1", cmd=["image-cmd"], entrypoint=["image-entrypoint"])


def new_func(**fields: Any) -> Func:
    config = {"Image": "ubuntu", **fields.pop("Config", {})}
    return FuncSchema().load_new({"Name": "f", "Config": config, **fields})


def options(func: Func, cpus: int = 4, **environment: str) -> dict[str, Any]:
    settings = load_settings(
        {f"FUNCSVC_{name.upper()}": text for name, text in environment.items()}
    )
    capacity = Capacity(cpus=cpus, memory_bytes=16384 * MEGABYTE)
    return container_options(Wanted(func, IMAGE, capacity, settings, "volume", {"ours": "1"}))


def test_whole_body_of_the_smallest_definition() -> None:
    assert options(new_func()) == {
        "Image": "sha256:1",
        "Entrypoint": ["/.funcsvc/starter"],
        "Cmd": [],
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "Env": [],
        "Labels": {"ours": "1"},
        "HostConfig": {
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "volume",
                    "Target": "/.funcsvc",
                    "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True},
                }
            ],
            "Memory": 512 * MEGABYTE,
            "MemorySwap": 512 * MEGABYTE,
            "NanoCpus": 10**9,
            "PidsLimit": 512,
            "LogConfig": {
                "Type": "local",
                "Config": {"max-size": "4194304", "max-file": "2", "compress": "false"},
            },
            "NetworkMode": "bridge",
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["ALL"],
            "CapAdd": list(KEPT_CAPABILITIES),
        },
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Config": {"Env": ["A=1", "B="]}}, {"Env": ["A=1", "B="]}),
        ({"Config": {"WorkingDir": "/w"}}, {"WorkingDir": "/w"}),
        ({"Config": {"Labels": {"l": "v", "ours": "x"}}}, {"Labels": {"l": "v", "ours": "1"}}),
        ({"Config": {"ExposedPorts": {"80": {}}}}, {"ExposedPorts": {"80/tcp": {}}}),
        ({"Config": {"Tty": True}}, {"Tty": False}),
    ],
    ids=["env", "working-dir", "labels", "exposed-ports", "tty"],
)
def test_config_becomes_the_engines(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    body = options(new_func(**fields))
    assert {key: body[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"NetworkMode": "host"}, {"NetworkMode": "host"}),
        ({"NetworkMode": "container:c"}, {"NetworkMode": "container:c"}),
        ({"Links": ["a:b"]}, {"Links": ["a:b"]}),
        ({"VolumesFrom": ["a", "b:ro"]}, {"VolumesFrom": ["a", "b:ro"]}),
        ({"PublishAllPorts": True}, {"PublishAllPorts": True}),
        (
            {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000-8010"}]}},
            {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000-8010"}]}},
        ),
    ],
    ids=["host", "container", "links", "volumes-from", "publish-all", "bindings"],
)
def test_host_config_becomes_the_engines(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    host = options(new_func(HostConfig=fields))["HostConfig"]
    assert {key: host[key] for key in expected} == expected


def test_bound_ports_are_exposed() -> None:
    bindings = {"80/tcp": [{"HostIp": "", "HostPort": ""}]}
    body = options(
        new_func(Config={"ExposedPorts": {"53/udp": {}}}, HostConfig={"PortBindings": bindings})
    )
    assert body["ExposedPorts"] == {"53/udp": {}, "80/tcp": {}}


@pytest.mark.parametrize(
    ("size", "cpus", "expected"), [("l3", 16, 8), ("l3", 8, 8), ("l3", 2, 2), ("s1", 2, 1)]
)
def test_quota_is_of_no_more_cpus_than_there_are(size: str, cpus: int, expected: int) -> None:
    func = new_func(ContainerSize=size)
    assert options(func, cpus, cap_cpus="true")["HostConfig"]["NanoCpus"] == expected * 10**9


def test_settings_bring_dockers_defaults_back() -> None:
    host = options(new_func(), hardened="false")["HostConfig"]
    assert not {"SecurityOpt", "CapDrop", "CapAdd"} & {*host}


def test_settings_make_the_root_read_only_and_choose_a_runtime() -> None:
    host = options(new_func(), read_only_root="true", runtime="runsc")["HostConfig"]
    assert (host["ReadonlyRootfs"], host["Runtime"]) == (True, "runsc")
    assert host["Tmpfs"] == {"/tmp": "rw,nosuid,nodev,mode=1777"}


def test_operators_network_takes_the_place_of_the_bridge() -> None:
    assert options(new_func(), network="funcs")["HostConfig"]["NetworkMode"] == "funcs"


@pytest.mark.parametrize("mode", ["host", "container:c"])
def test_operators_network_leaves_other_modes_alone(mode: str) -> None:
    body = options(new_func(HostConfig={"NetworkMode": mode}), network="funcs")
    assert body["HostConfig"]["NetworkMode"] == mode


def test_labels_of_this_service_can_not_be_given() -> None:
    labels = {"funcsvc.carrier": "1", "funcsvc.service": "x", "funcsvc": "y"}
    assert options(new_func(Config={"Labels": labels}))["Labels"] == {"funcsvc": "y", "ours": "1"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ["image-entrypoint", "image-cmd"]),
        ({"Cmd": ["c"]}, ["image-entrypoint", "c"]),
        ({"Entrypoint": ["e"]}, ["e"]),
        ({"Entrypoint": ["e"], "Cmd": ["c"]}, ["e", "c"]),
        ({"Entrypoint": [""], "Cmd": ["c"]}, ["c"]),
        ({"Cmd": "a 'b c'"}, ["image-entrypoint", "a", "b c"]),
    ],
)
def test_command_is_merged_as_the_engine_merges_it(
    config: dict[str, Any], words: list[str]
) -> None:
    assert command_of(new_func(Config=config), IMAGE) == words
