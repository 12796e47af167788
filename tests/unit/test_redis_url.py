"""URLs of Redis: what redis-py could not use, or would read otherwise, is refused at the start."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import servers
from funcsvc.config import load_settings
from funcsvc.config.loading import InvalidSettings

WHAT = "FUNCSVC_REDIS_URL is not valid: "
PAIR = "Must name a certificate and its unencrypted key, in PEM, as ssl_certfile and ssl_keyfile."
SCHEMES = "Must start with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://."


@pytest.fixture(scope="module")
def files() -> Iterator[dict[str, Path]]:
    """Files that an option of TLS can name."""
    with servers.folder() as place:
        made = servers.make_certificates(place)
        files = {
            "ca": made.authority,
            "crt": made.certificate,
            "key": made.key,
            "both": place / "both",
            "locked": place / "locked",
            "junk": place / "junk",
            "gone": place / "gone",
            "folder": place,
        }
        files["both"].write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
        files["junk"].write_text("junk")
        lock = ("-aes256", "-passout", "pass:word", "-out", str(files["locked"]))
        subprocess.run(["openssl", "pkey", "-in", made.key, *lock], check=True, timeout=30)
        yield files


def refusal(url: str) -> str:
    """Return why a URL is refused, or nothing if it isn't."""
    try:
        load_settings({"FUNCSVC_REDIS_URL": url})
    except InvalidSettings as error:
        return str(error).removeprefix(WHAT)
    return ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("ssl_ca_certs={ca}", ""),
        ("ssl_ca_path={folder}", ""),
        ("ssl_certfile={crt}&ssl_keyfile={key}", ""),
        ("ssl_certfile={both}", ""),
        ("ssl_keyfile={key}", "Must have the option ssl_certfile if it has ssl_keyfile."),
        ("ssl_certfile={crt}", PAIR),
        ("ssl_certfile={junk}", PAIR),
        ("ssl_certfile={crt}&ssl_keyfile={junk}", PAIR),
        ("ssl_certfile={ca}&ssl_keyfile={key}", PAIR),
        ("ssl_certfile={crt}&ssl_keyfile={locked}", PAIR),
        ("ssl_ca_certs={junk}", "Must name certificates in PEM as ssl_ca_certs."),
        ("ssl_ca_path={gone}", "Must name a directory as ssl_ca_path."),
        ("ssl_ca_path=%00", "Must have no NUL character in its options."),
        ("ssl_ca_certs=%00", "Must have no NUL character in its options."),
        (
            "ssl_certfile={gone}",
            "Must name a file that can be read as ssl_certfile: No such file or directory.",
        ),
    ],
)
@pytest.mark.parametrize("start", ["rediss://host", "rediss+sentinel://host/main"])
def test_files_of_tls_that_can_not_be_loaded_are_refused(files, start, options, said):
    assert refusal(f"{start}?{options.format(**files)}") == said


@pytest.mark.parametrize("url", ["REDIS://h", "Rediss://h", "UNIX:///x", "REDIS+sentinel://h/m"])
def test_scheme_in_capitals_is_refused(url):
    assert refusal(url) == SCHEMES


@pytest.mark.parametrize("url", ["redis://user:12#34@host/0", "redis://host/0#", "unix:///a#b"])
def test_hash_that_would_end_a_password_is_refused(url):
    assert refusal(url) == "Must have each # in a password written as %23."
    assert refusal(url.replace("#", "%23", 1) if "@" in url else "redis://host") == ""


def test_path_of_a_socket_has_at_most_as_many_bytes_as_the_kernel_takes():
    assert refusal(f"unix:///{'a' * 106}") == ""
    assert refusal(f"unix:///{'a' * 107}") == "Must have a path of at most 107 bytes."
    assert refusal(f"unix:///{'é' * 54}") == "Must have a path of at most 107 bytes."
