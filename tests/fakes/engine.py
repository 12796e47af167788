"""A fake engine, as the web process needs it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from funcsvc.engine.capacity import check_size
from funcsvc.engine.startable import check_published, check_startable
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
from funcsvc.model.errors import (
    ImageInUse,
    ImageMissing,
    ImageNotFound,
    InvalidQuery,
    LoginRefused,
    PullForbidden,
)

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
        self.asked: Any = None
        self._error: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on, or stop with None."""
        self._error = error

    def check_func(self, func: Func) -> Image:
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
        check_published(func, image)
        return image

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
        image = self._find(name)
        config = {"Cmd": image.cmd, "Entrypoint": image.entrypoint}
        return {**self._described(image), "Config": config}

    def list_images(self, filters: Mapping[str, Sequence[str]], *, include_all: bool) -> list[Any]:
        """Return every image that has one of the names in the filter `reference`, if it is there.

        `asked` keeps what was asked for.
        """
        self.check()
        self.asked = (filters, include_all)
        if filters.keys() - {"reference"}:
            raise InvalidQuery("filters", json.dumps(filters), "filters that the engine can use")
        images = {image.id: image for image in self._images.values()}
        listed = [self._described(image) for image in images.values()]
        wanted = filters.get("reference")
        return [one for one in listed if not wanted or {*wanted} & {*one["RepoTags"]}]

    def remove_image(self, name: str, *, force: bool, noprune: bool) -> list[Any]:
        """Remove an image by its id, or one of its names."""
        self.check()
        self.asked = (force, noprune)
        image = self._find(name)
        names = [one for one, known in self._images.items() if known.id == image.id]
        if name == image.id and len(names) > 1 and not force:
            raise ImageInUse(name, "it has several names")
        gone = names if name == image.id else [parse_image_reference(name).canonical]
        for one in gone:
            del self._images[one]
        untagged = [{"Untagged": parse_image_reference(one).familiar} for one in gone]
        return untagged + ([{"Deleted": image.id}] if len(gone) == len(names) else [])

    def check_login(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Accept the password "secret"."""
        self.check()
        self.asked = credentials
        if credentials.get("password") != "secret":
            raise LoginRefused(credentials.get("serveraddress", "docker.io"))
        return {"Status": "Login Succeeded", "IdentityToken": ""}

    def get_info(self) -> dict[str, Any]:
        """Return the capacity, and what some engine says."""
        self.check()
        return {
            "Images": len(self._images),
            "NCPU": self._capacity.cpus,
            "MemTotal": self._capacity.memory_bytes,
            "ServerVersion": "20.10.24",
        }

    def _find(self, name: str) -> Image:
        by_id = {image.id: image for image in self._images.values()}
        try:
            image = by_id.get(name) or self._images.get(parse_image_reference(name).canonical)
        except InvalidReference:
            image = None
        if image is None:
            raise ImageMissing(name)
        return image

    def _described(self, image: Image) -> dict[str, Any]:
        names = [
            parse_image_reference(name) for name in self._images if self._images[name] == image
        ]
        return {
            "Id": image.id,
            "RepoTags": [one.familiar for one in names if not one.digest],
            "RepoDigests": [one.familiar for one in names if one.digest],
        }

    def pull_progress(
        self, reference: ImageReference, credentials: Mapping[str, str] | None = None
    ) -> Generator[bytes]:
        """Yield `progress`. The first item can raise PullForbidden or the error of `fail_with`."""
        self.check()
        self.asked = credentials
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
