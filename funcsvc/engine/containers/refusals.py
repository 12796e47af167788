"""Translates the engine's reasons not to create or start a container into errors."""

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
"""How the engine words it when the trouble is its own rather than the container's."""


class ImageGoneOnEngine(Exception):
    """Raised when the engine no longer has an image that was found before."""


class InstanceVanished(Exception):
    """Raised when a container was removed while it was being started. Another one can be tried."""


class StarterGone(Exception):
    """Raised when the starter is missing from its volume and must be installed again."""


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Translate the engine's reason not to create or start a container into an error of this room.

    An error that shows trouble of the engine's own is raised unchanged.
    """
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
    """Return the engine's own words on one line of limited length."""
    line = " ".join(text.split())
    if len(line) > _MAX_REASON_CHARACTERS:
        line = f"{line[:_MAX_REASON_CHARACTERS]}…"
    return line if line.endswith((".", "…")) else f"{line}."
