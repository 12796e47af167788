"""Which Redis and which engine `make run` took before, so that it never goes on without its data.

Each that it starts itself keeps them in a folder in `var/run`. The address of one that was there
is noted in a file beside it.
"""

import os
import re
import sys
from pathlib import Path

from dev.machine import places

PURPOSE = "run"
VARIABLES = {
    "redis": ("FUNCSVC_REDIS_URL", "FUNCSVC_REDIS_URL_FILE"),
    "engine": ("DOCKER_HOST",),
}
"""What can name each; the first has the address itself."""

NAMES = {"redis": "a Redis", "engine": "an engine"}
HOLDS = {"redis": "funcs and calls", "engine": "images and containers"}


def folder_of(service: str, purpose: str = PURPOSE) -> Path:
    """Return the folder of the data of a Redis or an engine of ours."""
    if service == "engine":
        return places.engine_folder(purpose)
    return places.data_folder(purpose) / "redis"


def _note_of(service: str) -> Path:
    return places.data_folder(PURPOSE) / f"{service}.address"


def without_secrets(address: str) -> str:
    """Return an address without user, password and options."""
    return re.sub("//[^/]*@", "//", address.partition("?")[0])


def note(service: str, address: str | None) -> None:
    """Note the address of one that was there, or that there was none."""
    if address:
        _note_of(service).write_text(f"{without_secrets(address)}\n")
    else:
        _note_of(service).unlink(missing_ok=True)


def check(service: str, address: str | None) -> None:
    """Exit with a sentence if what is in use was another before; None is one of our own."""
    there = without_secrets(address) if address else None
    file, folder = _note_of(service), folder_of(service)
    noted = file.read_text().strip() if file.exists() else None
    if noted and noted != there:
        way = f"remove {_shown(file)}"
        before = f"at {noted}"
    elif there and not noted and _holds_something(folder):
        way = f"move {_shown(folder)} away"
        before = f"of its own, in {_shown(folder)}"
    else:
        return
    sys.exit(
        f"`make run` has its {HOLDS[service]} in {NAMES[service]} {before}, but now it would use "
        f"{f'the one at {there}' if there else 'one of its own'}. To go on with them, "
        f"{_way_back(service, noted)}; to begin without them, {way}."
    )


def _way_back(service: str, noted: str | None) -> str:
    variables = VARIABLES[service]
    named_by = next((name for name in variables if os.environ.get(name)), None)
    if noted:
        return f"start it again, or let {named_by or variables[0]} name it"
    return f"unset {named_by}" if named_by else "stop that one"


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False
    except PermissionError:  # an engine's folder is root's, and is never empty
        return True


def _shown(path: Path) -> Path:
    return path.relative_to(places.ROOT)
