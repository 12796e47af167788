"""Errors of docker-py and requests, and the engine's words about a pull, become sentences."""

from __future__ import annotations

import http.client
from types import SimpleNamespace

import docker
import pytest
import requests
import urllib3

from funcsvc.engine.connection import Deadline, translated
from funcsvc.engine.images.images import _pull_error
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
    error = _pull_error(REFERENCE, words)
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
    error = _pull_error(REFERENCE, words)
    assert isinstance(error, RegistryUnavailable)
    assert error.message == (
        f'The registry registry.example.com:5000 can\'t deliver the image "{REFERENCE.text}": '
        "it can't be reached, or failed."
    )


def test_full_disk_of_the_engine_is_named():
    error = _pull_error(REFERENCE, "write /var/lib/docker/tmp/x: no space left on device")
    assert isinstance(error, EngineUnavailable)
    assert error.message == "The Docker Engine can't be used: its disk is full."
