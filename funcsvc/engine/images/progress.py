"""The engine's progress during a pull, as clients read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from funcsvc.engine.sentences import with_plain_root, without_paths, without_queries

MAX_LINE_BYTES = 64 * 1024
"""A line of progress is short. Of one that isn't, the rest is dropped."""


def public_progress(chunks: Iterable[bytes], root: str = "") -> Iterator[bytes]:
    """Yield the engine's progress, a line at a time, its errors without paths of the host.

    `root` is the folder of the engine's data.
    """
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (_public_line(line, root) + b"\n" for line in lines)
        rest = rest[:MAX_LINE_BYTES]
    if rest:
        yield _public_line(rest, root)


def _public_line(line: bytes, root: str) -> bytes:
    """Return a line as it is, unless it is an error with a path."""
    try:
        progress = json.loads(line) if b'"error' in line else {}
        said = str(progress.get("error", ""))
    except (ValueError, AttributeError):
        return line
    error = without_paths(without_queries(with_plain_root(said, root)))
    if error == said:
        return line
    return json.dumps({**progress, "errorDetail": {"message": error}, "error": error}).encode()
