"""The engine's sentences: what can be read from them, and what clients may read of them.

A sentence begins with the engine's own words, a phrase and a colon at a time, and ends with the
cause. Names and paths that clients have chosen come in between.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterator

MAX_CHARACTERS = 400

_READ_CHARACTERS = 8192
"""The rest of a longer sentence isn't looked at."""

_MAX_FOLDERS = 4096
"""How many folders a path can be in."""

CUT = "…"

PHRASES = r"(?:[\w .()'-]+(?::[0-9]+)?: )*"
"""What can come before a cause: `failed to create shim task: `, `container_linux.go:380: `."""

_DISK_FULL = re.compile(
    rf"(?!unknown: ){PHRASES}(?:[a-z ]+(?: {CUT}){{1,2}}: )?no space left on device(?:: unknown)?"
)
"""What failed, its file or both files of a link, and the cause. Registries begin with `unknown`."""

_QUERY = re.compile(r"\?[^\s\"]*")  # a registry's storage can have signed URLs

_ENDPOINT = re.compile(r" on endpoint \S+ \([0-9a-f]{64}\)")
"""A container of this service, as the engine's network names it."""

_PATH_CHARACTERS = r"[^\s\"'`:,;()<>\[\]]*"
_PATH = rf"(?<![\w./])(?<!https:)(?<!http:)(?:\.\.)?/{_PATH_CHARACTERS}|%2[fF]{_PATH_CHARACTERS}"


_PLAIN_ROOT = "/var/lib/docker"
"""Where an engine has its data unless its operator says otherwise."""


def with_plain_root(text: str, root: str) -> str:
    """Return a sentence with a plain path for the engine's data root.

    The root's own might have characters that also end a path, such as a space or a colon.
    """
    if not re.fullmatch(_PATH_CHARACTERS, root):
        for form in _forms_of(root):
            text = text.replace(form, _PLAIN_ROOT)
    return text


def without_queries(text: str) -> str:
    """Return a sentence without the queries of its URLs."""
    return _QUERY.sub(f"?{CUT}", text)


def is_disk_full(text: str, own: Collection[str] = ()) -> bool:
    """Tell whether the engine says that its disk is full. `own` is as in `public_sentence`.

    A client's path that ends with a colon could also be one without, and the engine's colon.
    """
    cuts = [own, [path.rstrip(":") for path in own]]
    return any(_DISK_FULL.fullmatch(without_paths(text, cut, shows_own=False)) for cut in cuts)


def public_sentence(text: str, own: Collection[str] = ()) -> str:
    """Return what a client may read of an engine's sentence, with a full stop.

    `own` has the paths that came from the client, which may be shown.
    """
    text = _ENDPOINT.sub("", without_queries(text))
    line = " ".join(without_paths(text, own).split()) or "it gave no reason"
    if len(line) > MAX_CHARACTERS:
        line = f"{line[:MAX_CHARACTERS]}{CUT}"
    return line if line.endswith((".", CUT)) else f"{line}."


def without_paths(text: str, own: Collection[str] = (), *, shows_own: bool = True) -> str:
    """Return a sentence with CUT for each path.

    One that is in `own`, or ends with one, as in a container's root file system on the host, is cut
    down to that instead, if `shows_own`.
    """
    text = text[:_READ_CHARACTERS]
    pattern = "|".join([*_own_patterns(text, own), _PATH])
    return re.sub(
        pattern,
        lambda found: (shows_own and found.groupdict().get("own")) or CUT,
        text,
    )


def _own_patterns(text: str, own: Collection[str]) -> Iterator[str]:
    """Yield one pattern for the client's paths that are in a text."""
    found = {_longest_in(text, form) for path in own for form in _forms_of(path)} - {""}
    if found:
        either = "|".join(map(re.escape, sorted(found, key=len, reverse=True)))
        yield rf"(?:(?<![\w./])/{_PATH_CHARACTERS}?)?(?P<own>{either})(?![\w./-])"


def _longest_in(text: str, path: str) -> str:
    """Return a path, or the nearest folder around it, that is in a text. The root doesn't count."""
    for _ in range(_MAX_FOLDERS):
        if len(path) <= 1 or path in text:
            break
        path = path.rpartition("/")[0]
    return path if len(path) > 1 and path in text else ""


def _forms_of(path: str) -> Iterator[str]:
    """Yield a path as it was given, and as Go cleans and quotes it."""
    for form in (path, "/" + posixpath.normpath(path).lstrip("/")):
        yield form
        yield json.dumps(form, ensure_ascii=False)[1:-1]
