"""Locks that let one thread or process at a time do a piece of work."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dev.machine.waiting import PATIENCE_SECONDS
from funcsvc.engine.images import pull_locks
from funcsvc.engine.images.pull_locks import pull_lock

HOLD = """
import sys
from funcsvc.engine.images.pull_locks import pull_lock
with pull_lock(sys.argv[1], 10):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def lock_folder(tmp_path, monkeypatch):
    """A folder of lock files for one test."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / f"funcsvc-{os.getuid()}"


@pytest.fixture
def holder():
    """A process that holds the lock for "work" until its standard input ends."""
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


def test_lock_is_taken_when_nobody_holds_it():
    with pull_lock("work", PATIENCE_SECONDS):
        pass
    with pull_lock("work", PATIENCE_SECONDS):
        pass


def test_lock_is_released_after_an_error():
    with pytest.raises(ValueError, match="oh"), pull_lock("work", PATIENCE_SECONDS):
        raise ValueError("oh")
    with pull_lock("work", PATIENCE_SECONDS):
        pass


def test_lock_is_not_taken_while_another_process_holds_it(holder):
    with pytest.raises(TimeoutError), pull_lock("work", 0.2):
        pytest.fail("two hold the lock")


def test_lock_for_other_work_is_taken_while_another_process_holds_one(holder):
    with pull_lock("other work", PATIENCE_SECONDS):
        pass


def test_lock_is_taken_when_the_other_process_releases_it(holder):
    holder.stdin.close()
    with pull_lock("work", PATIENCE_SECONDS):
        pass


def test_lock_is_taken_when_the_process_that_holds_it_is_killed(holder):
    holder.kill()
    with pull_lock("work", PATIENCE_SECONDS):
        pass


def test_lock_files_are_in_a_folder_of_the_users_alone_and_few(lock_folder, monkeypatch):
    monkeypatch.setattr(pull_locks, "MAX_LOCK_FILES", 8)
    for number in range(30):
        with pull_lock(f"work {number}", PATIENCE_SECONDS):
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
    with pytest.raises((PermissionError, FileExistsError)), pull_lock("work", 0.2):
        pytest.fail("it used another's folder")
