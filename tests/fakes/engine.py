"""A fake engine, as the web process needs it."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from funcsvc.engine.capacity import check_size
from funcsvc.engine.startable import check_startable
from funcsvc.engine.web_engine import NO_IMAGE, check_command
from funcsvc.model import (
    MEGABYTE,
    Capacity,
    Func,
    Image,
    ImageReference,
    InvalidReference,
    Size,
    parse_image_reference,
)
from funcsvc.model.errors import ImageMissing, ImageNotFound, PullForbidden

LARGE = Capacity(cpus=8, memory_bytes=16384 * MEGABYTE)
"""The capacity that just holds every size."""


class FakeEngine:
    """A WebEngine that has these images, given by familiar or full reference.

    `progress` has the lines of a pull; an exception among them is raised. Without `progress`,
    pulls are forbidden. `pulled` has the references that were requested.
    """

    progress: Iterable[bytes | Exception] | None = None

    def __init__(
        self,
        images: dict[str, Image] | None = None,
        capacity: Capacity = LARGE,
        *,
        cap_cpus: bool = False,
        has_every_image: bool = False,
    ) -> None:
        self._images = {
            parse_image_reference(name).canonical: image for name, image in (images or {}).items()
        }
        self._capacity = capacity
        self._cap_cpus = cap_cpus
        self._has_every_image = has_every_image
        self.pulled: list[str] = []
        self._error: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on, or stop with None."""
        self._error = error

    def check_func(self, func: Func) -> None:
        """Raise SizeTooLarge, ImageNotFound or NoCommand, or the error of `fail_with`."""
        self.check()
        check_size(func.size, self._capacity, cap_cpus=self._cap_cpus)
        image = self._images.get(func.config.image.canonical)
        if image is None and self._has_every_image:
            image = Image(id="sha256:every", cmd=["sh"], entrypoint=[])
        if image is None:
            raise ImageNotFound(
                func.config.image.text, "the engine doesn't have it, and pulls are turned off"
            )
        check_command(func.config, image)
        check_startable(func, image)

    def check_environment(self, func: Func) -> None:
        """Raise ArgumentsTooLarge or ImageArgumentTooLong, or the error of `fail_with`."""
        self.check()
        check_startable(func, self._images.get(func.config.image.canonical, NO_IMAGE))

    def check_size(self, size: Size) -> None:
        """Raise SizeTooLarge, or the error of `fail_with`."""
        self.check()
        check_size(size, self._capacity, cap_cpus=self._cap_cpus)

    def inspect_image(self, name: str) -> dict[str, Any]:
        """Return what the engine knows of an image, by reference or id. Raises ImageMissing."""
        self.check()
        by_id = {image.id: image for image in self._images.values()}
        try:
            image = by_id.get(name) or self._images.get(parse_image_reference(name).canonical)
        except InvalidReference:
            image = None
        if image is None:
            raise ImageMissing(name)
        return {"Id": image.id, "Config": {"Cmd": image.cmd, "Entrypoint": image.entrypoint}}

    def pull_progress(self, reference: ImageReference) -> Generator[bytes]:
        """Yield `progress`. The first item can raise PullForbidden or the error of `fail_with`."""
        self.check()
        if self.progress is None:
            raise PullForbidden(reference.text)
        self.pulled.append(reference.canonical)
        for line in self.progress:
            if isinstance(line, Exception):
                raise line
            yield line

    def check(self) -> None:
        """Raise the error of `fail_with`."""
        if self._error:
            raise self._error
