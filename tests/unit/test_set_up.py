"""What `dev/setup` installs, and when it does nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.unit.set_up_stage import STUBS, Stage

RUN, DEV = "requirements.lock", "requirements-dev.lock"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def installed_locks(stage: Stage) -> list[str]:
    return [words[-1] for line in stage.did("pip") if "--requirement" in (words := line.split())]


@pytest.mark.parametrize(
    ("purpose", "upgraded"),
    [
        ("run", "cpython-313\n3.13.5\n"),
        ("run", "cpython-314\n3.14.0\n"),
        ("test", "cpython-313\n3.13.5\n"),
    ],
)
def test_second_start_only_looks_although_python3_was_upgraded_by_the_first(
    stage: Stage, purpose: str, upgraded: str
) -> None:
    stage.write("upgraded", upgraded)
    stage.set_up(purpose)
    assert stage.did("apt-get")
    assert stage.set_up(purpose) == ""
    assert stage.done.read_text() == ""


def test_environment_outlives_an_upgrade_within_one_version_of_python(stage: Stage) -> None:
    stage.set_up("run")
    stage.write("python", "cpython-313\n3.13.6\n")
    stage.set_up("run")
    assert stage.did("venv") == []
    for name in ("python", "upgraded"):
        stage.write(name, "cpython-314\n3.14.0\n")
    stage.set_up("run")
    assert stage.did("venv") == [""]


@pytest.mark.parametrize(
    ("purpose", "lock"), [("run", RUN), ("test", DEV), ("bench", DEV), ("lint", DEV)]
)
def test_command_installs_only_the_lock_that_it_needs(
    stage: Stage, purpose: str, lock: str
) -> None:
    stage.set_up(purpose)
    assert installed_locks(stage) == [lock]


def test_environment_of_make_run_is_brought_up_by_make_test_and_serves_both(stage: Stage) -> None:
    stage.set_up("run")
    assert stage.did("venv") == [""]
    stage.set_up("test")
    assert stage.did("venv") == []
    assert installed_locks(stage) == [DEV]
    for purpose in ("run", "test"):
        stage.set_up(purpose)
        assert stage.did("pip") == []


INTERRUPTED = """case $* in
    {words}) exec {python} -c 'import os; os.killpg(0, 2); print("redis engine")' ;;
esac
"""
"""What Ctrl-C does: every process in front of the terminal gets the signal."""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("python3", "*version_info*"),
        ("python3", "*cache_tag*"),
        ("python3", '"-m venv .venv"'),
        ("venv-python", '"-m dev.services run"'),
    ],
)
def test_ctrl_c_while_python_starts_ends_set_up_without_a_trace(
    stage: Stage, program: str, words: str
) -> None:
    begin = INTERRUPTED.format(words=words, python=sys.executable)
    stage.add_program(program, f"{begin}{STUBS[program]}")
    printed = stage.set_up("run", status=130)
    assert "Traceback" not in printed
    assert "could not" not in printed


@pytest.mark.parametrize("lock", [RUN, DEV])
def test_environment_is_made_again_when_a_lock_has_changed(stage: Stage, lock: str) -> None:
    stage.set_up("run")
    stage.write(f"checkout/{lock}", "flask==4\n")
    stage.set_up("run")
    assert stage.did("venv") == [""]
    assert installed_locks(stage) == [RUN]


def test_environment_that_was_left_half_made_is_made_again(stage: Stage) -> None:
    stage.set_up("run")
    (stage.checkout / ".venv/set-up").unlink()
    stage.set_up("run")
    assert stage.did("venv") == [""]


def test_project_is_built_again_when_the_starter_has_changed(stage: Stage) -> None:
    stage.set_up("run")
    stage.write("checkout/funcsvc/starter/starter.c", "int main;")
    stage.set_up("run")
    assert stage.did("venv") == []
    assert [line.split()[-2:] for line in stage.did("pip")] == [["--editable", "."]]


@pytest.mark.parametrize(
    ("enabled", "parser", "wanted"),
    [("Y\n", False, True), ("Y\n", True, False), ("N\n", False, False), ("", False, False)],
)
def test_apparmor_is_installed_where_the_kernel_has_it_on(
    stage: Stage, enabled: str, parser: bool, wanted: bool
) -> None:
    if enabled:
        stage.write("sys/module/apparmor/parameters/enabled", enabled)
    if parser:
        stage.add_program("apparmor_parser")
    stage.set_up("run")
    assert ("apparmor" in stage.packages()) == wanted


def test_apparmor_is_left_to_whoever_runs_the_engine_that_is_used(stage: Stage) -> None:
    stage.write("sys/module/apparmor/parameters/enabled", "Y\n")
    stage.write("missing", "redis\n")
    stage.set_up("run")
    assert set(stage.packages()) == {"redis-server", "busybox-static"}


def test_run_installs_no_program_that_only_tests_need(stage: Stage) -> None:
    stage.set_up("run")
    assert set(stage.packages()) == {"redis-server", "docker.io", "iproute2", "busybox-static"}


def test_package_that_cannot_be_had_keeps_no_other_away_and_is_named(stage: Stage) -> None:
    stage.write("unknown", "nginx\n")
    printed = stage.set_up("test", status=1)
    assert "apt-get could not install nginx;" in printed
    for program in ("chromium", "curl", "docker-registry", "dockerd", "ip", "redis-server"):
        assert (stage.bin / program).exists()


def test_browser_that_is_no_package_is_told_and_fails_nothing(stage: Stage) -> None:
    stage.write("unknown", "chromium\n")
    for _ in range(2):
        printed = stage.set_up("test")
        assert "the tests of the docs page are left out. FUNCSVC_BROWSER can name" in printed
        assert "chromium" not in stage.packages()
        assert (stage.checkout / "var/no-browser").exists()
    assert stage.did("apt-get") == []


def test_browser_is_demanded_where_nobody_knows_whether_it_is_a_package(stage: Stage) -> None:
    stage.add_program("apt-cache")
    stage.write("unknown", "chromium\n")
    assert "apt-get could not install chromium;" in stage.set_up("test", status=1)
    assert not (stage.checkout / "var/no-browser").exists()


def test_browser_that_asks_for_a_snap_is_none(stage: Stage) -> None:
    stage.write("unknown", "chromium\n")
    stage.add_program("chromium-browser", "exit 1")
    assert "the tests of the docs page are left out" in stage.set_up("test")


def test_browser_that_is_named_is_enough(stage: Stage) -> None:
    stage.add_program("mine")
    stage.set_up("test", FUNCSVC_BROWSER="mine")
    assert "chromium" not in stage.packages()


def test_browser_that_is_named_must_start(stage: Stage) -> None:
    printed = stage.set_up("test", status=1, FUNCSVC_BROWSER="other")
    assert "FUNCSVC_BROWSER is other, which doesn't start." in printed


def test_what_takes_long_says_what_it_is_and_how_long_it_took(stage: Stage) -> None:
    printed = stage.set_up("run")
    assert "Installing up to 1 packages into .venv, as requirements.lock has them" in printed
    assert re.search(r"^Installed the packages in \d+ s\.$", printed, re.MULTILINE)
    assert re.search(r"^Installed redis-server .* in \d+ s\.$", printed, re.MULTILINE)
