"""Why an engine can't be reached: each reason as it comes through docker-py and requests."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.model.errors import EngineUnavailable

NOBODY = 65534
LOOPBACK = "127.0.0.1"


def reason(address: str) -> str:
    """Return why the engine at an address can't be reached, without what is common to all."""
    with warnings.catch_warnings():
        # docker-py leaves a socket that it can't connect to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(EngineUnavailable) as caught:
            ask(address)
        gc.collect()
    return caught.value.message.removeprefix(
        "The Docker Engine can't be used: it can't be reached: "
    )


def ask(address: str) -> None:
    with EngineConnection(address).client(Deadline(5)) as client:
        client.ping()


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Do without the rights of root, if the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_permission_to_use_the_socket_is_named(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        with as_nobody():
            assert reason(f"unix://{path}") == "permission to use its socket is denied."


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("unix:///nonexistent/docker.sock", "its socket does not exist."),
        ("unix:///dev/null", "nothing listens at its address."),
        ("unix:///dev/null/docker.sock", "not a directory."),
        ("tcp://127.0.0.1:1", "nothing listens at its address."),
        ("tcp://engine.invalid:2375", "its host name can't be resolved."),
    ],
)
def test_wrong_address_is_named(address: str, why: str) -> None:
    assert reason(address) == why


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of certificates: `good` for loopback, `other` for another host, each its own CA."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("good", f"IP:{LOOPBACK}"), ("other", "DNS:other.example")):
        options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        names = ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}"]
        files = ["-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"]
        subprocess.run(
            ["openssl", "req", *options, *names, *files], check=True, capture_output=True
        )
    return folder


@pytest.fixture
def trust(certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Set up TLS as the operator does: which CA is trusted, and which certificate is shown."""

    def set_up(ca: str, mine: str) -> None:
        for file, source in (("ca.pem", f"{ca}.pem"), ("cert.pem", f"{mine}.pem")):
            (tmp_path / file).write_bytes((certificates / source).read_bytes())
        (tmp_path / "key.pem").write_bytes((certificates / f"{mine}.key").read_bytes())
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")  # which requests prefers

    return set_up


@contextlib.contextmanager
def tls_server(certificates: Path, name: str, *, wants: str = "") -> Iterator[str]:
    """Serve nothing but handshakes with a certificate, and want one signed by `wants`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    if wants:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / f"{wants}.pem")
    with socket.create_server((LOOPBACK, 0)) as listener:
        serving = threading.Thread(target=shake_hands, args=(listener, context), daemon=True)
        serving.start()
        yield f"tcp://{LOOPBACK}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(10)


def shake_hands(listener: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)


def test_certificate_of_an_unknown_authority_is_named(certificates: Path, trust) -> None:
    trust(ca="other", mine="good")
    with tls_server(certificates, "good") as address:
        assert reason(address) == "its TLS certificate can't be trusted (self-signed certificate)."


def test_certificate_for_another_host_is_named(certificates: Path, trust) -> None:
    trust(ca="other", mine="good")
    with tls_server(certificates, "other") as address:
        assert reason(address) == "its TLS certificate is for another host name."


def test_certificate_of_the_operator_that_is_not_accepted_is_named(
    certificates: Path, trust
) -> None:
    trust(ca="good", mine="other")
    with tls_server(certificates, "good", wants="good") as address:
        assert reason(address) in (
            "it does not accept the operator's TLS certificate, or wants one.",
            "the connection broke off.",  # where the request was sent before the alert came
        )


def test_engine_without_tls_is_named(trust) -> None:
    trust(ca="good", mine="good")
    with socket.create_server((LOOPBACK, 0)) as listener:
        serving = threading.Thread(target=answer_in_plain, args=(listener,), daemon=True)
        serving.start()
        address = f"tcp://{LOOPBACK}:{listener.getsockname()[1]}"
        assert reason(address) == "it does not speak TLS."
        serving.join(10)


def answer_in_plain(
    listener: socket.socket, answer: bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n"
) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(answer)


def test_files_for_tls_that_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert reason(f"tcp://{LOOPBACK}:1") == "the operator's TLS files are missing."


def test_folder_for_tls_that_may_not_be_entered_is_named(trust, tmp_path: Path) -> None:
    trust(ca="good", mine="good")
    tmp_path.chmod(0)
    try:
        with as_nobody():
            said = reason(f"tcp://{LOOPBACK}:1")
    finally:
        tmp_path.chmod(0o700)
    assert said == "permission to use the operator's TLS files is denied."


def test_key_for_tls_of_another_certificate_is_named(
    certificates: Path, trust, tmp_path: Path
) -> None:
    trust(ca="good", mine="good")
    (tmp_path / "key.pem").write_bytes((certificates / "other.key").read_bytes())
    with tls_server(certificates, "good") as address:
        assert reason(address) == "the operator's TLS key isn't that of the certificate."


@pytest.mark.parametrize("file", ["key.pem", "cert.pem", "ca.pem"])
def test_file_for_tls_that_is_none_is_named(
    certificates: Path, trust, tmp_path: Path, file: str
) -> None:
    trust(ca="good", mine="good")
    (tmp_path / file).write_text("garbage")
    with tls_server(certificates, "good") as address:
        assert reason(address) == "the operator's TLS files can't be used."


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}"])
def test_answer_that_is_not_an_engines_is_not_blamed_on_the_config_file(body: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        serving = threading.Thread(target=answer_in_plain, args=(listener, answer), daemon=True)
        serving.start()
        said = reason(f"tcp://{LOOPBACK}:{listener.getsockname()[1]}")
        serving.join(10)
    assert said == "The Docker Engine can't be used: its answer can't be read."


def test_files_for_tls_that_may_not_be_read_are_named(trust, tmp_path: Path) -> None:
    trust(ca="good", mine="good")
    (tmp_path / "key.pem").chmod(0)
    with as_nobody():
        said = reason(f"tcp://{LOOPBACK}:1")
    assert said == "permission to use the operator's TLS files is denied."
