"""`make clean`: removes all that the other commands made, in this checkout and in /run."""

import contextlib

from dev import heed_ctrl_c
from dev.machine import dockerd, places

MADE = (
    "*.egg-info",
    "build",
    "dist",
    "funcsvc/starter/funcsvc-starter",
    ".venv",
    ".coverage*",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "**/__pycache__",
)


def main() -> None:
    with contextlib.ExitStack() as held:
        if places.VAR.exists():
            for purpose in places.PURPOSES:
                held.enter_context(places.hold(purpose, seconds=1))
        for purpose in places.PURPOSES:
            dockerd.clear(places.runtime_folder(purpose), places.engine_folder(purpose))
            places.remove(places.runtime_folder(purpose))
        places.remove(places.VAR)
        for pattern in MADE:
            for path in list(places.ROOT.glob(pattern)):
                places.remove(path)


if __name__ == "__main__":
    heed_ctrl_c()
    main()
