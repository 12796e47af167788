"""What clients may read of the engine's sentences."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcsvc.engine.images.progress import MAX_LINE_BYTES, public_progress
from funcsvc.engine.sentences import MAX_CHARACTERS, public_sentence, without_paths

ROOT = "/var/lib/docker/overlay2/61b7/merged"


@pytest.mark.parametrize(
    ("text", "own", "shown"),
    [
        (f"lstat {ROOT}/a: not a directory", "/a", "lstat /a: not a directory."),
        (f"lstat {ROOT}/b: not a directory", "/a", "lstat …: not a directory."),
        (f"mkdir {ROOT}/a/b: denied", "/a", "mkdir …: denied."),
        (f"mkdir {ROOT}/a/b: denied", "/a/b/c", "mkdir /a/b: denied."),
        (f"mkdir {ROOT}/a: b: denied", "/a: b/c", "mkdir /a: b: denied."),
        (f"mkdir {ROOT}/a/d: denied", "/a/b/c", "mkdir …: denied."),
        (f"mkdir {ROOT}/a/b: denied", "//a/./c/../b/", "mkdir /a/b: denied."),
        (f'mkdir {ROOT}/a "b": c: denied', '/a "b": c', 'mkdir /a "b": c: denied.'),
        ('chdir ("/a\\"b") failed', '/a"b', 'chdir ("/a\\"b") failed.'),
        ("lstat /var/lib/docker/x: denied", "/var/lib/docker", "lstat …: denied."),
        ("lstat /var/lib: denied", "/", "lstat …: denied."),
        ("dial unix:///run/x.sock: refused", "", "dial unix:…: refused."),
        ("lowerdir=/var/l/A:/var/l/B,upperdir=/c", "", "lowerdir=…:…,upperdir=…"),
        ("rootfs_linux.go:76: mounting \"/proc/7/fd\" caused", "",
         'rootfs_linux.go:76: mounting "…" caused.'),
        ("symlink ../0123/diff /var/l/A: full", "", "symlink … …: full."),
        ("Post http://%2Frun%2Fx.sock/a: refused", "", "Post http://…: refused."),
        ("Get https://r.example/v2/?sig=secret: EOF", "", "Get https://r.example/v2/?… EOF."),
        ("listen tcp4 0.0.0.0:80/tcp", "", "listen tcp4 0.0.0.0:80/tcp."),
        ("driver failed on endpoint funcsvc-1 (" + "ab" * 32 + "): bind: invalid argument", "",
         "driver failed: bind: invalid argument."),
        ("one\n  two.", "", "one two."),
        ("", "", "it gave no reason."),
    ],
)  # fmt: skip
def test_sentence_has_no_path_but_the_clients_own(text, own, shown):
    assert public_sentence(text, [own] if own else []) == shown


@pytest.mark.parametrize("text", ["a" * 10_000, "/" * 10_000, "/a" * 10_000, "a: " * 10_000])
@pytest.mark.parametrize("own", [[], ["/" + "a" * 5000], ["/" * 5000], ["/a" * 100_000]])
def test_length_is_limited(text, own):
    assert len(public_sentence(text, own)) <= MAX_CHARACTERS + 1


@given(st.text("/ab.: \"'", max_size=30), st.text("/ab: ", max_size=8))
def test_path_of_the_host_never_shows(before, own):
    assert "secret" not in without_paths(f"{before} /data/secret/x: denied", [f"/{own}"])


ERROR = b'{"errorDetail":{"message":"write /var/x: full"},"error":"write /var/x: full"}\r\n'
SHOWN = b'{"errorDetail": {"message": "write \\u2026: full"}, "error": "write \\u2026: full"}\n'


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_progress_is_passed_on_byte_for_byte_but_for_paths_in_errors(size):
    plain = b'{"status":"a /b"}\r\n{"error":"no such image"}\r\n{"error'
    whole = ERROR + plain
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert b"".join(public_progress(chunks)) == SHOWN + plain


def test_endless_line_of_progress_takes_little_memory():
    passed = b"".join(public_progress([b"x" * 1000] * 1000))
    assert len(passed) <= MAX_LINE_BYTES


def test_progress_shows_nothing_of_an_unusual_folder_of_the_engine():
    line = b'{"error":"write /srv/docker data/tmp/x: full"}\n'
    [shown] = public_progress([line], "/srv/docker data")
    assert json.loads(shown)["error"] == "write …: full"
