"""What the engine's sentences about a container mean, whatever words a definition brings to them.

The sentences are Docker 20.10's, unless another version is named.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import docker
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from funcsvc.engine.containers.refusals import (
    ImageGoneOnEngine,
    InstanceVanished,
    StarterFailed,
    explained,
)
from funcsvc.model import Func, HostConfig, PortBinding, is_in_starter_folder
from funcsvc.model.errors import (
    EngineUnavailable,
    NoFreeAddress,
    NotStarted,
    PortRangeTaken,
    PortTaken,
)
from funcsvc.schemas import FuncSchema

NAME = "funcsvc-0123456789abcdef0123456789abcdef"
NETWORK = "functions"
ROOT = "/var/lib/docker/overlay2/61b785283365/merged"
RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
OLD_RUNC = (
    "OCI runtime create failed: container_linux.go:380: starting container process caused: "
    "process_linux.go:545: container init caused: "
)
ENDPOINT = f"driver failed programming external connectivity on endpoint {NAME} (fea88026): "
CONTAINERD = 'connection error: desc = "transport: Error while dialing dial unix /run/x.sock: '

TROUBLE = [
    (500, f'{CONTAINERD}connect: connection refused": unavailable'),
    (500, f'{CONTAINERD}timeout": unavailable'),
    (500, "transport is closing: unavailable"),
    (500, "connection closed: unavailable"),
    (500, "error reading from server: EOF: unavailable"),
    (500, "failed to create shim task: ttrpc: closed: unknown"),
    (500, "failed to create task for container: context deadline exceeded: unknown"),
    (500, "context canceled"),
    (500, "dial unix /run/docker/plugins/log.sock: connect: connection refused"),
    (500, "can't create container: the daemon is shutting down"),
    (500, "rpc error: code = Unavailable desc = closed"),
    (503, "anything"),
    (400, "client version 1.44 is too new. Maximum supported API version is 1.41"),
]
"""Sentences about the engine's own trouble."""

VERDICTS = [
    (404, f"No such container: {NAME}", InstanceVanished),
    (409, "container is marked for removal and cannot be started", InstanceVanished),
    (404, f"No such image: sha256:{'0' * 64}", ImageGoneOnEngine),
    (404, f"network {NETWORK} not found", EngineUnavailable),
    (400, f'{RUNC}exec: "/.funcsvc/starter": stat /.funcsvc/starter: no such file or directory: '
          'unknown', StarterFailed),
    (500, f'{OLD_RUNC}exec: "/.funcsvc/starter": permission denied: unknown', StarterFailed),
    (500, "crun: executable file `/.funcsvc/starter` not found: No such file or directory",
     StarterFailed),
    (500, f"{ENDPOINT}Bind for 0.0.0.0:8000 failed: port is already allocated", PortTaken),
    (500, f"{ENDPOINT}Bind for :::8000 failed: port is already allocated", PortTaken),
    (500, f"{ENDPOINT}Error starting userland proxy: listen tcp4 0.0.0.0:8000: bind: address "
          "already in use", PortTaken),
    (500, f"{ENDPOINT}Error starting userland proxy: listen udp6 [fe80::1]:8000: bind: address "
          "already in use", PortTaken),
    # Docker 28
    (500, f"failed to set up container networking: {ENDPOINT}failed to bind host port for "
          "0.0.0.0:8000:172.17.0.2:80/tcp: address already in use", PortTaken),
    (500, f"failed to set up container networking: {ENDPOINT}failed to bind host port "
          "[::1]:8000/tcp: address already in use", PortTaken),
    (500, f"{ENDPOINT}all ports are allocated", PortRangeTaken),
    (500, f"failed to set up container networking: {ENDPOINT}all ports are allocated",
     PortRangeTaken),
    (500, f"no available IPv4 addresses on this network's address pools: {NETWORK} (fad410290c00)",
     NoFreeAddress),
    (500, f"{ENDPOINT}Error starting userland proxy: listen tcp4 10.9.9.9:8000: bind: cannot "
          "assign requested address", NotStarted),
    (500, "mkdir /var/lib/docker/overlay2/61b7: no space left on device", NotStarted),
    (500, f"mkdir {ROOT}{{path}}: no space left on device", NotStarted),
    (500, f"mkdir {ROOT}{{folder}}: no space left on device", NotStarted),
    (500, "failed to create shim task: mkdir /run/x: no space left on device: unknown", NotStarted),
    (500, f"symlink ../{'0' * 64}/diff /var/lib/docker/overlay2/l/ABC: no space left on device",
     NotStarted),
    (500, "failed to create shim task: no space left on device: unknown", NotStarted),
    (400, "could not get container for {name}: No such container: {name}", NotStarted),
    (400, "No such container: {name}", NotStarted),
    (404, "No such container: {name}", NotStarted),
    (500, f"Cannot link to a non running container: /{{name}} AS /{NAME}/{{name}}", NotStarted),
    (409, "cannot join network of a non running container: 566563d12a69", NotStarted),
    (500, f"lstat {ROOT}{{path}}: file name too long", NotStarted),
    (500, f"lstat {ROOT}{{path}}: not a directory", NotStarted),
    (500, f"lstat {ROOT}{{folder}}: not a directory", NotStarted),
    (500, "Cannot mkdir: {path} is not a directory", NotStarted),
    (500, f"{RUNC}error during container init: mkdir {{path}}: read-only file system: unknown",
     NotStarted),
    (400, f"{RUNC}error during container init: mkdir {{path}}: not a directory: unknown: Are you "
          "trying to mount a directory onto a file (or vice-versa)?", NotStarted),
    (500, f'{OLD_RUNC}chdir to cwd ("{{path}}") set in config.json failed: permission denied: '
          'unknown', NotStarted),
    (500, "unable to find user {name}: no matching entries in passwd file", NotStarted),
    (400, "Minimum memory limit allowed is 6MB", NotStarted),
    (500, "", NotStarted),
]  # fmt: skip
"""Sentences about what a definition asks for, and about what the engine has lost.

`{name}`, `{path}` and `{folder}`, the folder of the path, stand for what it has brought."""

TRIGGERS = [
    "unavailable", "ttrpc", "ttrpc: closed: unknown", "No such image: sha256:1", "No such image",
    "marked for removal", "container is marked for removal and cannot be started",
    "no space left", "no space left on device", ": no space left on device", ".funcsvc",
    "/.funcsvc/starter", 'exec: "/.funcsvc/starter": ', "is already in use",
    "port is already allocated", "all ports are allocated", ": all ports are allocated",
    "no available IPv4 addresses on this network's address pools: a (b)",
    "Bind for 0.0.0.0:1 failed: port is already allocated",
    "listen tcp4 0.0.0.0:1: bind: address already in use", "deadline exceeded",
    "context deadline exceeded", "context canceled", "shutting down", "daemon is shutting down",
    "transport is closing", "transport is closing: unavailable", "connection closed: unavailable",
    "connection refused",
    "dial unix /x: connect: connection refused", "containerd is not running", "connection error",
    "connection error: desc = ", "client version 1.1 is too old", "rpc error: code = Unavailable",
    f"No such container: {NAME}", f"network {NETWORK} not found", "HTTP request to an HTTPS server",
]  # fmt: skip
"""Everything that the reading of errors looks for."""

HARMLESS = "harmless"

words = st.lists(st.sampled_from(TRIGGERS) | st.text("/:; .\"'…aé", max_size=4), max_size=3).map(
    "".join
)
names = words.map(lambda text: "a" + re.sub("[^a-zA-Z0-9_.-]", "-", text)) | st.sampled_from(
    ["unavailable", "ttrpc", "No"]
)
paths = words.map(lambda text: f"/{text}").filter(lambda path: not is_in_starter_folder(path))


def func_with(word: str, name: str, path: str) -> Func:
    """Return a func that has a word, or what a grammar leaves of it, in every field."""
    return FuncSchema().load_new(
        {
            "Name": "f",
            "Config": {
                "Image": "tool",
                "Cmd": [word],
                "Entrypoint": [word],
                "Env": [f"{word.replace('=', '')}A={word}"],
                "Labels": {word: word},
                "WorkingDir": path,
                "ExposedPorts": {"80": {}},
            },
            "HostConfig": {
                "Links": [f"{name}:{name}"],
                "VolumesFrom": [name],
                "PortBindings": {"80": [{"HostIp": "0.0.0.0", "HostPort": "8000"}]},
            },
        }
    )


def verdict(status: int, text: str, func: Func, root: str = "") -> Exception:
    """Return the error that the engine's sentence is translated to."""
    response: Any = SimpleNamespace(status_code=status, reason="x", url="x")
    error = docker.errors.APIError("x", response=response, explanation=text)
    with pytest.raises(Exception) as caught, explained(NAME, func, NETWORK, root):  # noqa: PT011
        raise error
    return caught.value


FUNC = func_with(HARMLESS, HARMLESS, f"/{HARMLESS}")


@pytest.mark.parametrize(("status", "text"), TROUBLE)
def test_trouble_of_the_engines_own_is_left_to_the_caller(status, text):
    assert isinstance(verdict(status, text, FUNC), docker.errors.APIError)


@pytest.mark.parametrize(("status", "text", "kind"), VERDICTS)
def test_sentence_is_read(status, text, kind):
    text = text.format(name=HARMLESS, path=f"/{HARMLESS}", folder="")
    assert type(verdict(status, text, FUNC)) is kind


@example("", "a", "//:")
@given(words, names, paths)
def test_words_of_a_definition_steer_no_verdict(word, name, path):
    func = func_with(word, name, path)
    for status, text in TROUBLE:
        assert isinstance(verdict(status, text, func), docker.errors.APIError)
    for status, text, kind in VERDICTS:
        brought = {"{name}": name, "{path}": path, "{folder}": path.rpartition("/")[0]}
        for place, brings in brought.items():
            text = text.replace(place, brings)
        found = verdict(status, text, func)
        assert type(found) is kind
        if text.endswith(("on device", "on device: unknown")):
            assert "disk is full" in str(found)


def test_port_that_is_taken_is_named():
    for status, text, kind in VERDICTS:
        if kind is PortTaken:
            assert str(verdict(status, text, FUNC)) == (
                "The function's container could not be started: its host port 8000 is already in "
                "use."
            )


@pytest.mark.parametrize(
    ("host_ports", "named"),
    [
        (["8000-8001"], "8000-8001"),
        (["8000-8001", "9000", "8001-8002", "8000-8001"], "8000-8001 or of 8001-8002"),
        (["", "9000"], "the engine's own range"),
    ],
)
def test_ranges_of_host_ports_that_are_taken_are_named(host_ports, named):
    bindings = {str(80 + at): (PortBinding("", port),) for at, port in enumerate(host_ports)}
    func = replace(FUNC, host_config=HostConfig(port_bindings=bindings))
    found = verdict(500, f"{ENDPOINT}all ports are allocated", func)
    assert str(found).endswith(f"not be started: all host ports of {named} are already in use.")


@pytest.mark.parametrize(
    "root",
    [
        "/srv/docker data",
        "/srv/a:b",
        "/srv/a,b; c",
        "/home/o'neil/docker",
        '/srv/"a"',
        "/srv/[a](b)",
    ],
)
def test_engine_whose_data_are_in_an_unusual_folder_is_read_and_shows_nothing_of_it(root):
    merged = f"{root}/overlay2/61b785283365/merged"
    found = verdict(500, f"lstat {merged}/harmless: not a directory", FUNC, root)
    assert str(found).endswith("could not be started: lstat /harmless: not a directory.")
    found = verdict(500, f"open {root}/containers/x: permission denied", FUNC, root)
    assert str(found).endswith("could not be started: open …: permission denied.")
    quoted = json.dumps(f"{merged}/x")
    found = verdict(500, f"{RUNC}rootfs.go:76: mounting {quoted} caused: no", FUNC, root)
    assert str(found).endswith('rootfs.go:76: mounting "…" caused: no.')
    found = verdict(500, f"mkdir {root}/overlay2/61b7: no space left on device", FUNC, root)
    assert "disk is full" in str(found)


def test_message_has_the_definitions_path_and_none_of_the_hosts():
    found = verdict(500, f"lstat {ROOT}/harmless: not a directory", FUNC)
    assert str(found).endswith("could not be started: lstat /harmless: not a directory.")
    found = verdict(500, f"lstat {ROOT}/bin/harmless/bin: not a directory", FUNC)
    assert str(found).endswith("could not be started: lstat …: not a directory.")
