"""Removes all that the other commands made in this checkout, and their folders in /run."""

import contextlib
from pathlib import Path

import bridge
import places

MADE = (
    "*.egg-info",
    "build",
    "dist",
    ".venv",
    ".coverage*",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
)


def remove_any(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        places.remove(path)
    else:
        path.unlink()


def main() -> None:
    with contextlib.ExitStack() as held:
        if places.VAR.exists():
            for purpose in places.PURPOSES:
                held.enter_context(places.hold(purpose, deadline_seconds=1))
        for purpose in places.PURPOSES:
            bridge.remove(purpose)
            places.remove(places.runtime_folder(purpose))
        places.remove(places.VAR)
        for pattern in MADE:
            for path in places.ROOT.glob(pattern):
                remove_any(path)
        for path in list(places.ROOT.rglob("__pycache__")):
            remove_any(path)


if __name__ == "__main__":
    main()
