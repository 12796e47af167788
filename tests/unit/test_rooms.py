"""The rooms of the package: dependencies point down, and only go through the rooms' faces."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import funcsvc

PACKAGE = Path(funcsvc.__file__).parent

BELOW: dict[str, set[str]] = {
    "model": set(),
    "starter": set(),
    "config": {"model"},
    "schemas": {"model"},
    "process": {"config"},
    "store": {"model", "config"},
    "engine": {"model", "config", "starter"},
    "worker": {"model", "config", "schemas", "process", "store", "engine"},
    "web": {"model", "config", "schemas", "process", "store", "engine"},
    "cli": {"config", "process", "worker"},
    "__main__": {"cli"},
    "__init__": set(),
}
"""What each room can import, besides the package's own version."""

FACES = {"funcsvc.model.errors"}
"""Faces inside a room. Every room is a face itself."""

OWNERS = {
    "redis": "store",
    "docker": "engine",
    "requests": "engine",
    "urllib3": "engine",
    "flask": "web",
    "werkzeug": "web",
    "gunicorn": "web",
}
"""Libraries that only one room imports and translates."""

MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path: Path, package: Path = PACKAGE) -> str:
    """Return the room of a module: a folder of the package, or a file besides them."""
    return path.relative_to(package).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports, anywhere in its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def problems_of(path: Path, package: Path = PACKAGE) -> list[str]:
    """Return what is wrong with the imports of a module."""
    room, wrong = room_of(path, package), []
    for module in imports_of(path):
        top, *below = module.split(".")
        if top != "funcsvc":
            if OWNERS.get(top, room) != room:
                wrong.append(f"{module} belongs to {OWNERS[top]}")
        elif below and below[0] != room:
            if below[0] not in BELOW[room]:
                wrong.append(f"{room} may not import {module}")
            elif len(below) > 1 and module not in FACES:
                wrong.append(f"{module} is behind a face")
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_what_is_below_it_by_its_face(path: Path) -> None:
    assert problems_of(path) == []


def test_every_room_is_named_and_none_is_below_itself() -> None:
    assert {room_of(path) for path in MODULES} == set(BELOW)
    order = list(BELOW)
    for room, below in BELOW.items():
        assert all(order.index(one) < order.index(room) for one in below), room


def test_face_has_what_it_says_it_has() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        module = __import__(f"funcsvc.{path.parent.name}", fromlist=["*"])
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{module.__name__} has no {name}"


@pytest.mark.parametrize(
    ("room", "line", "problem"),
    [
        ("web", "from funcsvc.worker import make_worker", "web may not import funcsvc.worker"),
        ("worker", "import funcsvc.web", "worker may not import funcsvc.web"),
        ("store", "from funcsvc.schemas import load_func", "store may not import funcsvc.schemas"),
        ("model", "import redis", "redis belongs to store"),
        ("web", "from funcsvc.model.funcs import Func", "funcsvc.model.funcs is behind a face"),
    ],
)
def test_import_that_goes_past_the_picture_is_found(
    tmp_path: Path, room: str, line: str, problem: str
) -> None:
    module = tmp_path / room / "module.py"
    module.parent.mkdir()
    module.write_text(line)
    assert problems_of(module, tmp_path) == [problem]
