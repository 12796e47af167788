"""Stand-ins for the store and the engine, held to the real ones by tests/contract.

They keep everything in memory. `fail_with` makes the next and all later uses raise an error.
"""

from __future__ import annotations

from threading import Lock

from funcsvc.engine.capacity import check_size
from funcsvc.engine.engine import check_command
from funcsvc.errors import FuncExists, FuncNotFound, ImageNotFound
from funcsvc.image_reference import parse_image_reference
from funcsvc.models import MEGABYTE, Capacity, Func, Image

LARGE = Capacity(cpus=8, memory_bytes=16384 * MEGABYTE)
"""An engine that holds every size, and no more than that."""


class FakeFuncStore:
    """A FuncStore in a dictionary: name to definition text, in the order of creation."""

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}
        self._lock = Lock()
        self._error: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on; None ends that."""
        self._error = error

    def create_func(self, func: Func, definition: str) -> None:
        """Store a func that is not there yet; raises FuncExists."""
        self.check()
        with self._lock:
            if func.name in self.definitions:
                raise FuncExists(func.name)
            self.definitions[func.name] = definition

    def get_func(self, name: str) -> str:
        """Return the definition of a func, as it was stored; raises FuncNotFound."""
        self.check()
        if name not in self.definitions:
            raise FuncNotFound(name)
        return self.definitions[name]

    def check(self) -> None:
        """Raise what it was told to raise."""
        if self._error:
            raise self._error


class FakeEngine:
    """An Engine that has these images, by familiar or full reference, and pulls nothing."""

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

    def check(self) -> None:
        """Raise what it was told to raise."""
        if self._error:
            raise self._error
