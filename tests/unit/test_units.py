"""Daemons that set-up brings don't start with the machine; those that were there before do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dev import servers

UNITS = ("docker.service", "docker.socket", "containerd.service")


@pytest.fixture
def unit_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "system"
    folder.mkdir()
    return folder


def run_units(folder: Path, *arguments: str, program: str = "systemctl") -> list[str]:
    """Run dev/units with a program that only notes how it is called; return the notes and lines."""
    programs, notes = folder.parent / "bin", folder.parent / "notes"
    programs.mkdir(exist_ok=True)
    for name in ("grep", "sh"):
        if not (programs / name).exists():
            (programs / name).symlink_to(f"/bin/{name}")
    (programs / program).write_text(f'#!/bin/sh\necho "{program} $*" >>{notes}\n')
    (programs / program).chmod(0o755)
    done = subprocess.run(
        [servers.ROOT / "dev/units", *arguments],
        env={**os.environ, "PATH": str(programs), "UNIT_FOLDERS": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    return [*done.stdout.splitlines(), *(notes.read_text().splitlines() if notes.exists() else [])]


def add(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_units_that_set_up_brought_are_disabled(unit_folder: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.write_text("\n".join(run_units(unit_folder, "list")))
    add(unit_folder, "redis-server.service", *UNITS, "apparmor.service", "ssh.service")
    asked = run_units(unit_folder, "disable", str(before))
    assert asked == [
        f"systemctl --quiet disable {name}" for name in ("redis-server.service", *UNITS)
    ]


def test_units_that_were_there_before_are_left_alone(unit_folder: Path, tmp_path: Path) -> None:
    add(unit_folder, "containerd.service")
    before = tmp_path / "before"
    before.write_text("\n".join(run_units(unit_folder, "list")))
    assert before.read_text() == "containerd.service"
    add(unit_folder, "docker.service")
    asked = run_units(unit_folder, "disable", str(before))
    assert asked == ["systemctl --quiet disable docker.service"]


def test_without_systemd_the_init_script_is_disabled(unit_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "before").touch()
    add(unit_folder, "redis-server")
    asked = run_units(unit_folder, "disable", str(tmp_path / "before"), program="update-rc.d")
    assert asked == ["update-rc.d redis-server disable"]
