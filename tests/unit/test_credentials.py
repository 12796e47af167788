"""The operator's registry credentials, from the Docker config file and from helpers."""

from __future__ import annotations

import base64
import json
import time

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine.connection import Deadline
from funcsvc.engine.images.credentials import CredentialsUnavailable, get_credentials

REGISTRY = "registry.example.com:5000"
LOGIN = {"Username": "ann", "Secret": "s3cret"}


@pytest.fixture
def write_config(tmp_path, monkeypatch):
    """Return a function that writes the operator's Docker config file."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(config: dict | str) -> None:
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(text)

    return write


@pytest.fixture
def write_helper(tmp_path, monkeypatch, write_config):
    """Return a function that writes a helper with a line of shell, and a config that names it."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def write(line: str) -> None:
        write_config({"credHelpers": {REGISTRY: "test"}})
        helper = tmp_path / "docker-credential-test"
        helper.write_text(f"#!/bin/sh\n{line}\n")
        helper.chmod(0o755)

    return write


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def get(domain: str = REGISTRY, seconds: float = 10) -> tuple[str | None, str | None]:
    """Return the user and password for a registry."""
    found = get_credentials(domain, Deadline(seconds))
    user = found.get("username") or found.get("Username")
    return user, found.get("password") or found.get("Password")


def test_without_a_config_file_there_are_no_credentials(write_config):
    assert get_credentials(REGISTRY, Deadline(10)) == {}


def test_credentials_are_those_of_the_registry(write_config):
    write_config({"auths": {REGISTRY: auth("ann", "p:w"), "other.example.com": auth("x", "y")}})
    assert get() == ("ann", "p:w")
    assert get("third.example.com") == (None, None)


def test_credentials_of_the_hub_are_found_by_its_name(write_config):
    write_config({"auths": {"https://index.docker.io/v1/": auth("ann", "pw")}})
    assert get("docker.io") == ("ann", "pw")


def test_login_counts_from_the_next_pull_on(write_config):
    write_config({})
    assert get() == (None, None)
    write_config({"auths": {REGISTRY: auth("ann", "pw")}})
    assert get() == ("ann", "pw")


def test_helper_is_asked_for_the_registry(write_helper):
    write_helper(
        f"""read server; test "$1 $server" = "get {REGISTRY}" && echo '{json.dumps(LOGIN)}'"""
    )
    assert get() == ("ann", "s3cret")


def test_helper_that_has_none_gives_none(write_helper):
    write_helper("echo 'credentials not found in native keychain'; exit 1")
    assert get() == (None, None)


@pytest.mark.parametrize("line", ["echo broken; exit 1", "echo nonsense", "echo '{}'"])
def test_helper_that_fails_is_named(write_helper, line):
    write_helper(line)
    with pytest.raises(CredentialsUnavailable) as caught:
        get()
    assert str(caught.value) == "docker-credential-test failed"


def test_helper_that_is_not_there_is_named(write_config):
    write_config({"credHelpers": {REGISTRY: "nowhere"}})
    warned = pytest.warns(UserWarning, match="docker-credential-nowhere not installed")
    with warned, pytest.raises(CredentialsUnavailable) as caught:
        get()
    assert str(caught.value) == "docker-credential-nowhere is not there"


def test_helper_that_hangs_is_given_up_at_the_deadline(write_helper):
    write_helper("exec sleep 600")
    begin = time.monotonic()
    with pytest.raises(CredentialsUnavailable) as caught:
        get(seconds=0.3)
    assert str(caught.value) == "docker-credential-test did not answer in time"
    assert time.monotonic() - begin < PATIENCE_SECONDS


@pytest.mark.parametrize(
    "config",
    [
        {"auths": {REGISTRY: {"auth": 5}}},
        {"auths": {REGISTRY: {"auth": "!"}}},
        {"auths": {REGISTRY: {"auth": base64.b64encode(b"no colon").decode()}}},
        {"auths": {REGISTRY: {"auth": base64.b64encode(b"\xff:\xff").decode()}}},
        {"auths": {REGISTRY: "ann"}},
        {"auths": ["ann"]},
        {"credHelpers": "test"},
    ],
    ids=json.dumps,
)
def test_config_file_that_is_not_valid_is_named(write_config, config):
    write_config(config)
    with pytest.raises(CredentialsUnavailable) as caught:
        get()
    assert str(caught.value) == "the Docker config file is not valid"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "nonsense"])
def test_config_file_that_is_no_json_object_is_none_or_named(write_config, text):
    write_config(text)
    assert outcome() in ((None, None), "the Docker config file is not valid")


def outcome() -> tuple[str | None, str | None] | str:
    """Return the user and password, or the message of the error."""
    try:
        return get()
    except CredentialsUnavailable as error:
        return str(error)
