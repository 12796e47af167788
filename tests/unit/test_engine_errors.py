"""Errors of docker-py and requests, and the engine's words about a pull, become sentences."""

from __future__ import annotations

import http.client
from types import SimpleNamespace

import docker
import pytest
import requests
import urllib3

from funcsvc.engine.connection import Deadline, translated
from funcsvc.engine.images.images import pull_error
from funcsvc.engine.images.registry_words import refuses_login
from funcsvc.model import parse_image_reference
from funcsvc.model.errors import EngineUnavailable, ImageNotFound, RegistryUnavailable

SECRET = "hunter2@10.0.0.1:2375"


def api_error(status: int) -> docker.errors.APIError:
    return docker.errors.APIError(SECRET, response=SimpleNamespace(status_code=status, reason="x"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (api_error(500), "it answered 500"),
        (api_error(403), "it answered 403"),
        (requests.exceptions.ReadTimeout(SECRET), "it did not answer in time"),
        (requests.exceptions.ConnectTimeout(SECRET), "it did not answer in time"),
        (
            requests.exceptions.ConnectionError(f"{SECRET} Read timed out."),
            "it did not answer in time",
        ),
        (urllib3.exceptions.ReadTimeoutError(None, "/", SECRET), "it did not answer in time"),
        (TimeoutError(SECRET), "it did not answer in time"),
        (requests.exceptions.ConnectionError(SECRET), "it can't be reached"),
        (requests.exceptions.ChunkedEncodingError(SECRET), "it can't be reached"),
        (requests.exceptions.InvalidURL(SECRET), "it can't be reached"),
        (docker.errors.DockerException(SECRET), "it can't be reached"),
        (docker.errors.TLSParameterError(SECRET), "it can't be reached"),
        (urllib3.exceptions.ProtocolError(SECRET), "it can't be reached"),
        (http.client.BadStatusLine(SECRET), "it can't be reached"),
        (ConnectionRefusedError(111, SECRET), "it can't be reached"),
        (PermissionError(13, SECRET), "it can't be reached"),
        (ValueError(SECRET), "its answer can't be read"),
        (KeyError(SECRET), "its answer can't be read"),
    ],
)  # fmt: skip
def test_failure_of_the_engine_is_named_without_its_insides(error, reason):
    with pytest.raises(EngineUnavailable) as caught, translated():
        raise error
    assert caught.value.message == f"The Docker Engine can't be used: {reason}."
    assert caught.value.__cause__ is error


def test_other_errors_are_left_alone():
    with pytest.raises(AssertionError), translated():
        raise AssertionError("a bug")


def test_deadline_gives_what_is_left_of_it():
    deadline = Deadline(60)
    first = deadline.remaining_seconds()
    assert 0 < deadline.remaining_seconds() <= first <= 60
    assert not deadline.is_over()


@pytest.mark.parametrize("seconds", [0, -1])
def test_deadline_that_is_over_leaves_nothing(seconds):
    deadline = Deadline(seconds)
    assert deadline.is_over()
    with pytest.raises(EngineUnavailable) as caught:
        deadline.remaining_seconds()
    assert caught.value.message == "The Docker Engine can't be used: it did not answer in time."


REFERENCE = parse_image_reference("registry.example.com:5000/team/tool:v1")


@pytest.mark.parametrize(
    "words",
    [
        "pull access denied for nope, repository does not exist or may require 'docker login'",
        "manifest for team/tool:v1 not found: manifest unknown: manifest unknown",
        "Head https://registry.example.com/v2/team/tool: no basic auth credentials",
        "unauthorized: authentication required",
        "unauthorized: incorrect username or password",
        "repository team/tool not found: name unknown",
        "no matching manifest for linux/arm64 in the manifest list entries",
        "Error response from daemon: denied: requested access to the resource is denied",
    ],
)
def test_registry_that_says_no_has_no_such_image(words):
    error = pull_error(REFERENCE, words)
    assert isinstance(error, ImageNotFound)
    assert error.message == (
        f'Config.Image is "{REFERENCE.text}", but there is no such image: '
        "registry.example.com:5000 doesn't have it, or denies access to it."
    )


@pytest.mark.parametrize(
    "words",
    [
        "dial tcp 10.0.0.1:5000: connect: connection refused",
        "dial tcp: lookup registry.example.com: no such host",
        "net/http: request canceled while waiting for connection (Client.Timeout exceeded)",
        "x509: certificate signed by unknown authority",
        "received unexpected HTTP status: 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
        "http: server gave HTTP response to HTTPS client",
        "unexpected EOF",
        "",
    ],
)
def test_registry_that_fails_is_named_without_what_the_engine_said(words):
    error = pull_error(REFERENCE, words)
    assert isinstance(error, RegistryUnavailable)
    assert error.message == (
        f'The registry registry.example.com:5000 can\'t deliver the image "{REFERENCE.text}": '
        "it can't be reached, or failed."
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "127.0.0.1:1/denied:unauthorized",
            'Get "http://127.0.0.1:1/v2/denied/manifests/unauthorized": connection refused',
        ),
        ("denied.example/a", "dial tcp: lookup denied.example on 10.0.0.1:53: no such host"),
        ("denied.example/a", "x509: certificate is valid for b.example, not denied.example"),
        ("a.example/not/unauthorized", "error pulling a.example/not/unauthorized:latest: EOF"),
        ("unauthorized", "toomanyrequests: limit reached for unauthorized"),
    ],
)
def test_name_of_an_image_is_not_taken_for_the_registrys_no(name, words):
    assert isinstance(pull_error(parse_image_reference(name), words), RegistryUnavailable)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("denied", "pull access denied for denied, repository does not exist or may require login"),
        ("a.example/denied", "denied: requested access to the resource is denied"),
        ("found", "manifest for found:latest not found: manifest unknown"),
    ],
)
def test_registrys_no_is_heard_whatever_the_image_is_named(name, words):
    assert isinstance(pull_error(parse_image_reference(name), words), ImageNotFound)


@pytest.mark.parametrize(
    ("words", "registry", "refuses"),
    [
        ("login attempt to http://a:1/v2/ failed with status: 401 Unauthorized", "a:1", True),
        ("Get https://a/v2/: unauthorized: incorrect username or password", "a", True),
        ('Get "http://a/v2/": no basic auth credentials', "a", True),
        ('Get "http://denied.a/v2/": dial tcp: lookup denied.a: no such host', "denied.a", False),
        ("login attempt to http://unauthorized/v2/ failed with status: 503", "unauthorized", False),
    ],
)
def test_registry_that_refuses_a_login_is_told_from_one_that_fails(words, registry, refuses):
    assert refuses_login(words, registry) is refuses


def test_words_that_repeat_a_secret_or_a_signed_address_are_kept_out_of_the_log(caplog):
    pull_error(REFERENCE, "denied: no user with the password hunter2", ["", "hunter2"])
    pull_error(REFERENCE, "Get https://storage.example/x?signature=hunter2: EOF")
    assert "hunter2" not in caplog.text
    assert "(it repeats the credentials)" in caplog.text


def test_full_disk_of_the_engine_is_named():
    error = pull_error(REFERENCE, "write /var/lib/docker/tmp/x: no space left on device")
    assert isinstance(error, EngineUnavailable)
    assert error.message == "The Docker Engine can't be used: its disk is full."
