"""The starter as a file: how it is built, what it needs, and how it is packaged."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from funcsvc.starter import starter_architecture, starter_binary
from tests.unit.starter_process import IS_ROOT, STARTER, Starter, exited

CHECKOUT = Path(__file__).parents[2]
FILES = (
    *("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"),
    *("wsgi.py", "gunicorn.conf.py"),
)
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of what a wheel is built from, without files built in the checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in FILES:
        shutil.copy(CHECKOUT / name, folder)
    unwanted = shutil.ignore_patterns("__pycache__", Path(STARTER).name)
    shutil.copytree(CHECKOUT / "funcsvc", folder / "funcsvc", ignore=unwanted)
    return folder


def build_wheel(copied, folder, **environment):
    return subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=copied,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel_carries_it_for_one_kind_of_machine_and_any_python(copied, tmp_path):
    done = build_wheel(copied, tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.iterdir()
    assert wheel.stem.split("-")[2:] == ["py3", "none", f"linux_{platform.machine()}"]
    with zipfile.ZipFile(wheel) as archive:
        member = archive.getinfo("funcsvc/starter/funcsvc-starter")
        assert archive.read(member).startswith(b"\x7fELF")
        assert stat.S_IMODE(member.external_attr >> 16) & 0o111 == 0o111
        started = {name.rpartition("/share/funcsvc/")[2] for name in archive.namelist()}
        assert {"wsgi.py", "gunicorn.conf.py"} <= started


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler -O2"])
def test_compiler_that_fails_is_named_in_a_sentence(compiler, copied, tmp_path):
    done = build_wheel(copied, tmp_path, CC=compiler)
    assert done.returncode == 1
    assert f"The starter could not be compiled: `{compiler} -std=gnu11" in done.stderr
    assert "(on Debian gcc and libc6-dev)" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_it_compiles_without_a_warning(tmp_path):
    compiler = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static"]
    sources = sorted(Path(STARTER).parent.glob("*.c"))
    subprocess.run([*compiler, "-o", tmp_path / "starter", *sources], check=True)


def test_its_architecture_has_the_name_that_docker_gives_it():
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    machine = platform.machine()
    assert starter_architecture() == names.get(machine, machine)


@pytest.mark.skipif(not IS_ROOT, reason="only root can change the root")
def test_it_needs_no_other_file(tmp_path):
    (tmp_path / "starter").write_bytes(starter_binary())
    (tmp_path / "starter").chmod(0o755)
    with Starter(program="/starter", preexec_fn=lambda: os.chroot(tmp_path)) as starter:
        starter.begin(["/starter"])
        assert starter.finish() == exited(125)
