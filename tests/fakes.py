"""Stand-ins for the store and the engine, held to the real ones by tests/contract.

They keep everything in memory. `fail_with` makes the next and all later uses raise an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from funcsvc.engine.capacity import check_size
from funcsvc.engine.web_engine import check_command
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
    FuncBusy,
    FuncExists,
    FuncNotFound,
    ImageMissing,
    ImageNotFound,
    PullForbidden,
)

if TYPE_CHECKING:
    from tests.fake_calls import FakeCallStore

LARGE = Capacity(cpus=8, memory_bytes=16384 * MEGABYTE)
"""An engine that holds every size, and no more than that."""


class FakeFuncStore:
    """A FuncStore in a dictionary: name to definition text, in the order of creation.

    `calls` is the FakeCallStore over it, if there is one.
    """

    calls: FakeCallStore | None = None

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}
        self.lock = Lock()
        self._error: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on; None ends that."""
        self._error = error

    def create_func(self, func: Func, definition: str) -> None:
        """Store a func that is not there yet; raises FuncExists."""
        self.check()
        with self.lock:
            if func.name in self.definitions:
                raise FuncExists(func.name)
            self.definitions[func.name] = definition

    def get_func(self, name: str) -> str:
        """Return the definition of a func, as it was stored; raises FuncNotFound."""
        self.check()
        if name not in self.definitions:
            raise FuncNotFound(name)
        return self.definitions[name]

    def get_funcs(self, names: Sequence[str]) -> list[str]:
        """Return the definitions of those of the names that are there, in that order."""
        self.check()
        return [self.definitions[name] for name in names if name in self.definitions]

    def list_funcs(self, before: str | None = None, page_funcs: int = 500) -> Iterator[list[str]]:
        """Yield the definitions, newest first, in pages; raises FuncNotFound for `before`."""
        self.check()
        if before is not None and before not in self.definitions:
            raise FuncNotFound(before)
        return self._pages(_age(self.definitions[before]) if before else None, page_funcs)

    def update_func(self, name: str, change: Callable[[str], str]) -> str:
        """Put what `change` makes of a definition in its place; raises FuncNotFound."""
        with self.lock:
            self.definitions[name] = change(self.get_func(name))
            return self.definitions[name]

    def delete_func(self, name: str) -> None:
        """Remove a func and its calls; raises FuncNotFound, or FuncBusy while one is to end."""
        with self.lock:
            self.get_func(name)
            if self.calls and not self.calls.remove_func(name):
                raise FuncBusy(name)
            del self.definitions[name]

    def _pages(self, last: tuple[str, str] | None, page_funcs: int) -> Iterator[list[str]]:
        while True:
            self.check()
            newest = sorted(self.definitions.values(), key=_age, reverse=True)
            page = [text for text in newest if last is None or _age(text) < last][:page_funcs]
            if not page:
                return
            yield page
            last = _age(page[-1])

    def check(self) -> None:
        """Raise what it was told to raise."""
        if self._error:
            raise self._error


def _age(definition: str) -> tuple[str, str]:
    """Return what definitions are listed by: when they were created, then the name."""
    document = json.loads(definition)
    return document["Created"], document["Name"]


class FakeEngine:
    """An Engine that has these images, by familiar or full reference, and pulls nothing.

    `progress` is what a pull says, one line after the other; an exception among them is raised.
    Without it, pulls are forbidden. `pulled` has the references that were asked for.
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
        """Raise the error from now on; None ends that."""
        self._error = error

    def check_func(self, func: Func) -> None:
        """Raise SizeTooLarge, ImageNotFound or NoCommand, or what it was told to raise."""
        self.check()
        check_size(func.size, self._capacity, cap_cpus=self._cap_cpus)
        image = self._images.get(func.config.image.canonical)
        if image is None and self._has_every_image:
            image = Image(id="sha256:every", cmd=["sh"], entrypoint=[])
        if image is None:
            raise ImageNotFound(func.config.image.text, "the engine lacks it, and pulling is off")
        check_command(func.config, image)

    def check_size(self, size: Size) -> None:
        """Raise SizeTooLarge, or what it was told to raise."""
        self.check()
        check_size(size, self._capacity, cap_cpus=self._cap_cpus)

    def inspect_image(self, name: str) -> dict[str, Any]:
        """Return what the engine knows of an image, by reference or id; raises ImageMissing."""
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
        """Yield `progress`; with the first item raises PullForbidden or what it was told to."""
        self.check()
        if self.progress is None:
            raise PullForbidden(reference.text)
        self.pulled.append(reference.canonical)
        for line in self.progress:
            if isinstance(line, Exception):
                raise line
            yield line

    def check(self) -> None:
        """Raise what it was told to raise."""
        if self._error:
            raise self._error
