"""Errors of docker-py and requests, and the engine's words about a pull, become sentences."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from types import SimpleNamespace

import docker
import pytest
import requests
import urllib3

from funcsvc.engine.connection import Deadline
from funcsvc.engine.images.images import pull_error
from funcsvc.engine.images.registry_words import refuses_login
from funcsvc.engine.reasons import translated
from funcsvc.model import parse_image_reference
from funcsvc.model.errors import EngineUnavailable, ImageNotFound, RegistryUnavailable

SECRET = "hunter2@10.0.0.1:2375"


def api_error(status: int, words: str = "") -> docker.errors.APIError:
    response = SimpleNamespace(status_code=status, reason="x")
    return docker.errors.APIError(SECRET, response=response, explanation=words)


CANT = "it can't be reached"
NO_CONTAINERD = (
    'connection error: desc = "transport: Error while dialing dial unix '
    '/run/containerd/containerd.sock: connect: connection refused": unavailable'
)


def caused(cause: Exception) -> requests.exceptions.ConnectionError:
    """Return an error as requests raises it, with its cause deep inside."""
    broken_off = urllib3.exceptions.ProtocolError(f"Connection aborted. {SECRET}", cause)
    return requests.exceptions.ConnectionError(broken_off)


def certificate_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, SECRET)
    error.verify_code, error.verify_message = code, message
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, SECRET)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (api_error(500), "it answered 500"),
        (api_error(403), "it answered 403"),
        (api_error(500, NO_CONTAINERD), "it answered 500: it can't reach containerd"),
        (api_error(400, "Client sent an HTTP request to an HTTPS server.\n"),
         "it wants TLS, which is not set up here"),
        (requests.exceptions.ReadTimeout(SECRET), "it did not answer in time"),
        (requests.exceptions.ConnectTimeout(SECRET), "it did not answer in time"),
        (caused(urllib3.exceptions.ReadTimeoutError(None, "/", SECRET)),
         "it did not answer in time"),
        (caused(TimeoutError(SECRET)), "it did not answer in time"),
        (urllib3.exceptions.ReadTimeoutError(None, "/", SECRET), "it did not answer in time"),
        (TimeoutError(SECRET), "it did not answer in time"),
        (requests.exceptions.ConnectionError(f"{SECRET} timed out"), CANT),
        (requests.exceptions.ChunkedEncodingError(SECRET), CANT),
        (requests.exceptions.InvalidURL(SECRET), CANT),
        (docker.errors.DockerException(SECRET), CANT),
        (urllib3.exceptions.ProtocolError(SECRET), CANT),
        (http.client.BadStatusLine(SECRET), CANT),
        (docker.errors.TLSParameterError(SECRET),
         f"{CANT}: the operator's TLS files can't be used"),
        (caused(PermissionError(13, SECRET)), f"{CANT}: permission to use its socket is denied"),
        (caused(FileNotFoundError(2, SECRET)), f"{CANT}: its socket does not exist"),
        (caused(ConnectionRefusedError(111, SECRET)), f"{CANT}: nothing listens at its address"),
        (caused(ConnectionResetError(104, SECRET)), f"{CANT}: the connection broke off"),
        (caused(http.client.RemoteDisconnected(SECRET)), f"{CANT}: the connection broke off"),
        (caused(OSError(errno.EHOSTUNREACH, SECRET)), f"{CANT}: there is no route to its host"),
        (caused(OSError(errno.EIO, SECRET)), f"{CANT}: input/output error"),
        (caused(OSError(errno.ENOTDIR, SECRET)), f"{CANT}: not a directory"),
        (caused(OSError(SECRET)), CANT),
        (caused(tls_error("KEY_VALUES_MISMATCH")),
         f"{CANT}: the operator's TLS key isn't that of the certificate"),
        (caused(socket.gaierror(-2, SECRET)), f"{CANT}: its host name can't be resolved"),
        (caused(certificate_error(18, "self-signed certificate")),
         f"{CANT}: its TLS certificate can't be trusted (self-signed certificate)"),
        (caused(certificate_error(62, f"Hostname mismatch {SECRET}")),
         f"{CANT}: its TLS certificate is for another host name"),
        (caused(certificate_error(64, f"IP address mismatch {SECRET}")),
         f"{CANT}: its TLS certificate is for another host name"),
        (caused(tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
         f"{CANT}: it does not accept the operator's TLS certificate, or wants one"),
        (caused(tls_error("TLSV1_ALERT_UNKNOWN_CA")),
         f"{CANT}: it does not accept the operator's TLS certificate, or wants one"),
        (caused(tls_error("WRONG_VERSION_NUMBER")), f"{CANT}: it does not speak TLS"),
        (caused(tls_error("OTHER")), f"{CANT}: TLS failed"),
        (ValueError(SECRET), "its answer can't be read"),
        (KeyError(SECRET), "its answer can't be read"),
    ],
)  # fmt: skip
def test_failure_of_the_engine_is_named_without_its_insides(error, reason):
    with pytest.raises(EngineUnavailable) as caught, translated():
        raise error
    assert caught.value.message == f"The Docker Engine can't be used: {reason}."
    assert caught.value.__cause__ is error


def test_engines_own_sentence_is_in_the_log_and_bounded(caplog):
    with pytest.raises(EngineUnavailable), translated():
        raise api_error(500, NO_CONTAINERD + "x" * 10_000)
    assert NO_CONTAINERD in caplog.text
    assert len(caplog.text) < 1200


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, SECRET), "permission to use the operator's TLS files is denied"),
        (FileNotFoundError(2, SECRET), "the operator's TLS files are missing"),
    ],
)
def test_files_of_an_engine_without_a_socket_are_those_for_tls(error, reason):
    with pytest.raises(EngineUnavailable) as caught, translated(has_socket=False):
        raise error
    assert caught.value.message == f"The Docker Engine can't be used: {CANT}: {reason}."


def test_cause_that_is_its_own_cause_ends_the_search():
    first, second = ValueError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    with pytest.raises(EngineUnavailable), translated():
        raise OSError(first)


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
        "errors:\ndenied: requested access to the resource is denied\nunauthorized: no\n",
        'Get "https://registry.example.com/v2/": unauthorized: incorrect username or password',
        "Get https://registry.example.com/v2/: unauthorized: authentication required",
        "error pulling image configuration: denied: no",
        "repository team/tool not found: does not exist or no pull access",
        # Docker with containerd's images
        'failed to resolve reference "a.example/tool:v1": a.example/tool:v1: not found',
        'failed to resolve reference "docker.io/library/a:b": pull access denied, repository does '
        "not exist or may require authorization: server message: insufficient_scope",
        'failed to resolve reference "a.example/a:b": failed to authorize: failed to fetch oauth '
        "token: unexpected status from GET request to https://a.example/token: 401 Unauthorized",
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
        'Get "https://203.0.113.7:5000/v2/": dial tcp 203.0.113.7:5000: connect: permission denied',
        "mkdir /var/lib/docker/tmp: permission denied",
        "open /var/lib/docker/tmp/GetImageBlob1: permission denied",
        "failed to register layer: unauthorized: denied: no",
        'exec: "docker-credential-x": executable file not found in $PATH, out: ``',
        "error parsing HTTP 404 response body: invalid character 'p' after top-level value: "
        '"404 page not found\\n"',
        "404 page not found",
        "toomanyrequests: denied: too many",
        "unknown: no space left on device",
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
    ("words", "refuses"),
    [
        ("login attempt to http://a:1/v2/ failed with status: 401 Unauthorized", True),
        ("Get https://a/v2/: unauthorized: incorrect username or password", True),
        ('Get "http://a/v2/": no basic auth credentials', True),
        ('Get "http://denied.a/v2/": dial tcp: lookup denied.a: no such host', False),
        ("login attempt to http://unauthorized/v2/ failed with status: 503", False),
        ('Get "http://a/v2/": dial tcp 203.0.113.7:5000: connect: permission denied', False),
    ],
)
def test_registry_that_refuses_a_login_is_told_from_one_that_fails(words, refuses):
    assert refuses_login(words) is refuses


def test_words_that_repeat_a_secret_or_a_signed_address_are_kept_out_of_the_log(caplog):
    pull_error(REFERENCE, "denied: no user with the password hunter2", ["", "hunter2"])
    pull_error(REFERENCE, "Get https://storage.example/x?signature=hunter2: EOF")
    assert "hunter2" not in caplog.text
    assert "(it repeats the credentials)" in caplog.text


def test_full_disk_of_the_engine_is_named():
    error = pull_error(REFERENCE, "write /var/lib/docker/tmp/x: no space left on device")
    assert isinstance(error, EngineUnavailable)
    assert error.message == "The Docker Engine can't be used: its disk is full."


TRIGGERS = ["denied", "unauthorized", "not-found", "denied.example.com", "no-space-left/on-device"]


@pytest.mark.parametrize("word", TRIGGERS)
@pytest.mark.parametrize(
    "form", ["{}", "{}/tool", "tool/{}", "r.example.com:5000/{}:v1", "a.b/c:{}"]
)
def test_word_in_an_images_name_is_not_the_registrys_answer(form, word):
    text = form.format(word if form != "a.b/c:{}" else word.replace("/", "-"))
    reference = parse_image_reference(text)
    host = reference.domain
    for words in (
        f'Get "https://{host}/v2/{reference.path}/manifests/v1": dial tcp: lookup {host} on '
        "10.0.0.2:53: no such host",
        f"Get https://{host}/v2/{reference.path}/manifests/v1: EOF",
        f'Head "https://{host}/v2/": x509: certificate is valid for localhost, not {host}',
        f"failed to do request for {reference.canonical}: connection refused",
        f"failed to register layer: open /{word}: permission denied",
        f"failed to register layer: write /{word}: no space left on device: denied",
    ):
        assert isinstance(pull_error(reference, words), RegistryUnavailable), words
    for words in (
        f"pull access denied for {reference.familiar_name}, repository does not exist or may "
        "require 'docker login'",
        f"manifest for {reference.familiar} not found: manifest unknown: manifest unknown",
        "unauthorized: authentication required",
    ):
        assert isinstance(pull_error(reference, words), ImageNotFound), words


LAYER = "Error processing tar file(exit status 1)"


@pytest.mark.parametrize(
    ("words", "is_full"),
    [
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", True),
        ("failed to register layer: Error processing tar file(exit status 1): write /a/b: no space "
         "left on device", True),
        (f"failed to register layer: {LAYER}: symlink ../{'0' * 64}/diff /var/x/overlay2/l/A: no "
         "space left on device", True),
        (f"failed to register layer: {LAYER}: link /a b /c: no space left on device", True),
        ("failed to register layer: no space left on device", True),
        ("failed to register layer: open /no space left on device: permission denied", False),
        ("unknown: no space left on device", False),
    ],
)  # fmt: skip
def test_only_the_engine_itself_says_that_its_disk_is_full(words, is_full):
    assert isinstance(pull_error(REFERENCE, words), EngineUnavailable) is is_full
