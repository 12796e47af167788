"""Turns: one at a time for a piece of work, between threads and between processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from funcsvc.engine import turns
from funcsvc.engine.turns import turn

HOLD = """
import sys
from funcsvc.engine.turns import turn
with turn(sys.argv[1], 10):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def lock_folder(tmp_path, monkeypatch):
    """Lock files of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / f"funcsvc-{os.getuid()}"


@pytest.fixture
def holder():
    """A process that holds the turn for "work" until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, "work"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def test_turn_comes_when_nobody_has_it():
    with turn("work", 0.1):
        pass
    with turn("work", 0.1):
        pass


def test_turn_is_given_back_after_an_error():
    with pytest.raises(ValueError, match="oh"), turn("work", 0.1):
        raise ValueError("oh")
    with turn("work", 0.1):
        pass


def test_turn_does_not_come_while_another_process_has_it(holder):
    with pytest.raises(TimeoutError), turn("work", 0.2):
        pytest.fail("two have the turn")


def test_turn_for_other_work_comes_while_another_process_has_one(holder):
    with turn("other work", 0.2):
        pass


def test_turn_comes_when_the_other_process_gives_it_back(holder):
    holder.stdin.close()
    with turn("work", 10):
        pass


def test_turn_comes_when_the_process_that_has_it_is_killed(holder):
    holder.kill()
    with turn("work", 10):
        pass


def test_lock_files_are_in_a_folder_of_the_users_alone_and_few(lock_folder, monkeypatch):
    monkeypatch.setattr(turns, "MAX_LOCK_FILES", 8)
    for number in range(30):
        with turn(f"work {number}", 1):
            pass
    assert lock_folder.stat().st_mode & 0o777 == 0o700
    assert len(list(lock_folder.iterdir())) <= 8


@pytest.mark.parametrize("what", ["file", "link"])
def test_folder_that_is_none_is_refused(lock_folder, tmp_path, what):
    if what == "file":
        lock_folder.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        lock_folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises((PermissionError, FileExistsError)), turn("work", 0.2):
        pytest.fail("it used another's folder")
