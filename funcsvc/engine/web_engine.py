"""The engine as the web process needs it: whether it can run a func, its images, its health."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from funcsvc.config import Settings
from funcsvc.engine.capacity import EngineCapacity
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.images.images import Images
from funcsvc.engine.info import shown_info
from funcsvc.engine.startable import check_published, check_startable
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

    def check_func(self, func: Func) -> Image:
        self._capacity.check_size(func.size)  # first, so no image is pulled in vain
        image = self._images.get_image(func.config.image)
        check_command(func.config, image)
        check_startable(func, image)
        check_published(func, image)
        return image

    def check_environment(self, func: Func) -> None:
        check_startable(func, self._images.find_image(func.config.image) or NO_IMAGE)

    def check_size(self, size: Size) -> None:
        self._capacity.check_size(size)

    def inspect_image(self, name: str) -> dict[str, Any]:
        return self._images.inspect(name)

    def list_images(self, filters: Mapping[str, Sequence[str]], *, include_all: bool) -> list[Any]:
        return self._images.list_images(filters, include_all=include_all)

    def remove_image(self, name: str, *, force: bool, noprune: bool) -> list[Any]:
        return self._images.remove(name, force=force, noprune=noprune)

    def pull_progress(
        self, reference: ImageReference, credentials: Mapping[str, str] | None = None
    ) -> Generator[bytes]:
        return self._images.pull_progress(reference, credentials)

    def check_login(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        return self._images.check_login(credentials)

    def get_info(self) -> dict[str, Any]:
        with self._connection.client(Deadline(self._settings.engine_timeout_seconds)) as client:
            return shown_info(client.info())

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
