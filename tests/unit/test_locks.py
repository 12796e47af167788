"""requirements.lock is enough to run the service, and requirements-dev.lock agrees with it."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
RUNNING, EVERYTHING = "requirements.lock", "requirements-dev.lock"


def read_lock(name: str) -> dict[str, str]:
    """Return the text of each requirement, hashes included, by its name and version."""
    text = (CHECKOUT / name).read_text().replace("\\\n", " ")
    return {line.split(" --hash", 1)[0].strip(): line for line in text.splitlines()}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(lock: str) -> set[str]:
    return {canonical(requirement.split("==")[0]) for requirement in read_lock(lock)}


@pytest.fixture(scope="module")
def hide_the_rest() -> str:
    """A program's first lines, after which only what the running lock has can be imported."""
    running = names(RUNNING) | {"funcsvc", "pip"}
    hidden = {
        module
        for module, distributions in packages_distributions().items()
        if not {canonical(name) for name in distributions} & running
    }
    assert {"pytest", "hypothesis", "matplotlib"} <= hidden
    return f"import sys; sys.modules.update(dict.fromkeys({sorted(hidden)}))\n"


@pytest.mark.parametrize("lock", [RUNNING, EVERYTHING])
def test_lock_pins_every_requirement_by_hash_and_names_no_index(lock: str) -> None:
    for requirement, line in read_lock(lock).items():
        assert "==" in requirement
        assert "--hash=sha256:" in line
        assert "://" not in line


def test_running_lock_is_part_of_the_lock_for_everything() -> None:
    assert read_lock(RUNNING).items() <= read_lock(EVERYTHING).items()


def test_running_lock_has_none_of_the_development_tools() -> None:
    extras = configparser.ConfigParser()
    extras.read(CHECKOUT / "setup.cfg")
    tools = {canonical(name) for name in extras["options.extras_require"]["dev"].split()}
    assert tools <= names(EVERYTHING)
    assert not tools & names(RUNNING)


@pytest.mark.parametrize(
    "program",
    [
        "import wsgi",
        "import runpy; runpy.run_path('gunicorn.conf.py')",
        "import dev.run",
        "from funcsvc.cli import main; main(['worker', '--help'])",
        "import funcsvc.worker.worker",
    ],
)
def test_running_lock_is_enough_for(program: str, hide_the_rest: str) -> None:
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run(
        [sys.executable, "-c", hide_the_rest + program], cwd=CHECKOUT, env=environment, check=True
    )


def test_project_says_what_it_is_built_with() -> None:
    """Without it pip builds with the setuptools that is there: on Debian 12 one that can't."""
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["build-system"]
    assert build["build-backend"] == "setuptools.build_meta"
    (requirement,) = build["requires"]
    assert requirement.startswith("setuptools>=")
    assert "setuptools" in names(RUNNING)
