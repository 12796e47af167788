"""What the engine says of a container that it won't make or start, as errors of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import docker

from funcsvc.engine.containers.options import STARTER_FOLDER
from funcsvc.model.errors import NotStarted

_MAX_REASON_CHARACTERS = 400


_ENGINE_TROUBLE = re.compile(
    r"deadline exceeded|context canceled|shutting down|transport is closing|connection refused"
    r"|ttrpc|containerd is not running|connection error|unavailable|client version",
    re.IGNORECASE,
)
"""How the engine words it when the trouble is its own, and not the container's."""


class ImageGoneOnEngine(Exception):
    """Raised when the engine no longer has the image that it was said to have."""


class InstanceVanished(Exception):
    """Raised when somebody removed a container while it was made: another may be tried."""


class StarterGone(Exception):
    """Raised when a container was to begin with a starter that isn't there: install it again."""


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what the engine says of a container that it won't make or start into errors of ours."""
    try:
        yield
    except docker.errors.APIError as error:
        text = str(error.explanation or error)
        if "No such image" in text:
            raise ImageGoneOnEngine from error
        if "marked for removal" in text or f"No such container: {name}" in text:
            raise InstanceVanished from error
        if f"{STARTER_FOLDER}/" in text:
            raise StarterGone from error
        if error.status_code == 503 or _ENGINE_TROUBLE.search(text):
            raise
        if "no space left" in text:
            raise NotStarted("the engine's disk is full.") from error
        raise NotStarted(_sentence(text)) from error


def _sentence(text: str) -> str:
    """Return the engine's own words, on one line and of bounded length."""
    line = " ".join(text.split())
    if len(line) > _MAX_REASON_CHARACTERS:
        line = f"{line[:_MAX_REASON_CHARACTERS]}…"
    return line if line.endswith((".", "…")) else f"{line}."
