"""The engine as the web process needs it: whether it can run a func, its images, its health."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from funcsvc.config import Settings
from funcsvc.engine.capacity import EngineCapacity
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.images.images import Images
from funcsvc.engine.startable import check_startable
from funcsvc.model import Config, Func, Image, ImageReference, Size
from funcsvc.model.errors import NoCommand

NO_IMAGE = Image(id="", cmd=(), entrypoint=())
"""An image that adds nothing, in place of one that the engine no longer has."""


class DockerWebEngine:
    """A WebEngine over docker-py, which connects only for requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = EngineConnection(settings.docker_host)
        self._images = Images(self._connection, settings)
        self._capacity = EngineCapacity(self._connection, settings)

    def check_func(self, func: Func) -> None:
        self._capacity.check_size(func.size)  # first, so no image is pulled in vain
        image = self._images.get_image(func.config.image)
        check_command(func.config, image)
        check_startable(func, image)

    def check_environment(self, func: Func) -> None:
        check_startable(func, self._images.find_image(func.config.image) or NO_IMAGE)

    def check_size(self, size: Size) -> None:
        self._capacity.check_size(size)

    def inspect_image(self, name: str) -> dict[str, Any]:
        return self._images.inspect(name)

    def pull_progress(self, reference: ImageReference) -> Generator[bytes]:
        return self._images.pull_progress(reference)

    def check(self) -> None:
        with self._connection.client(Deadline(self._settings.engine_timeout_seconds)) as client:
            client.ping()


def check_command(config: Config, image: Image) -> None:
    """Raise NoCommand unless the definition or the image says what to run.

    Merges them as the engine does: the image's command counts only if the definition has no
    entrypoint, and an entrypoint of one empty string only removes the image's.
    """
    runs_by_itself = [*config.entrypoint] != [""] if config.entrypoint else image.runs_by_itself
    if not config.cmd and not runs_by_itself:
        raise NoCommand(config.image.text)
