"""The starter's command: how it is found, and the environment it begins with."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from funcsvc.engine.containers.protocol import Mark
from tests.unit.starter_process import (
    IS_ROOT,
    MEBIBYTE,
    as_nobody,
    call,
    exited,
    not_run,
)


def make_program(path, text="#!/bin/sh\necho $0\n", mode=0o755):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


# ---- its environment ----


def variables(environment, own):
    outcome = call(["env", "-0"], environment=environment, env={"PATH": os.environ["PATH"], **own})
    return sorted(outcome.stdout.split(b"\0")[:-1])


@pytest.mark.parametrize(
    ("own", "given", "result"),
    [
        ({}, [], []),
        ({"A": "1"}, [], [b"A=1"]),
        ({}, [b"A=1"], [b"A=1"]),
        ({"A": "1", "B": "2"}, [b"A=3"], [b"A=3", b"B=2"]),
        ({"AB": "1"}, [b"A=2"], [b"A=2", b"AB=1"]),
        ({"A": "1"}, [b"AB=2"], [b"A=1", b"AB=2"]),
        ({"A": "1"}, [b"A="], [b"A="]),
        ({}, [b"A=1", b"A=2"], [b"A=2"]),
        ({}, [b"A=b=c\n\xff"], [b"A=b=c\n\xff"]),
    ],
)
def test_variables_of_the_frame_are_put_over_its_own(own, given, result):
    path = b"PATH=" + os.environb[b"PATH"]
    assert variables(given, own) == sorted([*result, path])


def test_thousands_of_variables_and_words_arrive():
    environment = [b"N%d=%d" % (number, number) for number in range(8000)]
    words = ["sh", "-c", "echo $# $N0 $N7999", "sh", *["word"] * 5000]
    assert call(words, environment=environment) == exited(0, b"5000 0 7999\n")


# ---- how it is found ----


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("good", "good/tool"),
        ("none:good", "good/tool"),
        ("folder:plain:good", "good/tool"),
        ("good:better", "good/tool"),
        (":good", "tool"),
        ("none::good", "tool"),
        ("none:", "tool"),
        (":", "tool"),
        ("x" * 5000 + ":good", "good/tool"),
        ("none", None),
        ("folder:plain", None),
        ("", None),
        (None, None),
    ],
)
def test_command_is_searched_in_the_path_of_the_frame(path, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_program(tmp_path / "good" / "tool")
    make_program(tmp_path / "better" / "tool")
    make_program(tmp_path / "plain" / "tool", mode=0o644)
    make_program(tmp_path / "tool")
    (tmp_path / "folder" / "tool").mkdir(parents=True)
    environment = [] if path is None else [b"PATH=" + path.encode()]
    outcome = exited(0, f"{found}\n".encode()) if found else not_run(Mark.NOT_FOUND, 0, 127)
    assert call(["tool"], environment=environment, env={}) == outcome


@pytest.mark.parametrize("word", ["", "no-such-command"])
def test_command_that_is_nowhere_is_told(word):
    assert call([word]) == not_run(Mark.NOT_FOUND, 0, 127)


def test_program_of_another_user_is_passed_over(tmp_path):
    tmp_path.chmod(0o755)
    make_program(tmp_path / "private" / "tool", mode=0o700 if IS_ROOT else 0o600)
    make_program(tmp_path / "public" / "tool")
    with as_nobody(cwd=tmp_path) as starter:
        starter.begin(["tool"], environment=[b"PATH=private:public"])
        assert starter.finish() == exited(0, b"public/tool\n")


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("./none", errno.ENOENT),
        ("/no/such/command", errno.ENOENT),
        ("./folder", errno.EISDIR),
        ("./plain", errno.EACCES),
        ("./plain/tool", errno.ENOTDIR),
        ("./unknown", errno.ENOEXEC),
        ("./lost", errno.ENOENT),
        ("x/" * 5000, errno.ENAMETOOLONG),
    ],
)
def test_command_that_is_named_by_its_path_and_cannot_run_is_told(
    word, number, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    make_program(tmp_path / "plain", mode=0o644)
    make_program(tmp_path / "unknown", "no program\n")
    make_program(tmp_path / "lost", "#!/no/such/interpreter\n")
    status = 127 if number == errno.ENOENT else 126
    assert call([word]) == not_run(Mark.NOT_EXECUTABLE, number, status)


def test_command_with_a_slash_is_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_program(tmp_path / "folder" / "tool")
    assert call(["folder/tool"]) == exited(0, b"folder/tool\n")


def test_words_that_are_too_long_for_the_kernel_are_told():
    assert call(["echo", "x" * MEBIBYTE]) == not_run(Mark.NOT_EXECUTABLE, errno.E2BIG, 126)


def test_failed_fork_is_told():
    def allow_no_other_process():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    with as_nobody(preexec_fn=allow_no_other_process) as starter:
        starter.begin(["true"])
        assert starter.finish() == not_run(Mark.STARTER_FAILED, errno.EAGAIN, 125)
