"""A fake store of funcs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import TYPE_CHECKING

from funcsvc.model import Func
from funcsvc.model.errors import FuncBusy, FuncExists, FuncNotFound, ImageBeingRemoved

if TYPE_CHECKING:
    from tests.fakes.calls import FakeCallStore


class FakeFuncStore:
    """A FuncStore in a dictionary from name to definition text, in order of creation.

    `calls` is the FakeCallStore over this store, if there is one.
    """

    calls: FakeCallStore | None = None

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}
        self.lock = Lock()
        self._image_removals: dict[str, float] = {}
        self._error: Exception | None = None

    def fail_with(self, error: Exception | None) -> None:
        """Raise the error from now on, or stop with None."""
        self._error = error

    def create_func(self, func: Func, definition: str, image_id: str = "") -> None:
        """Store a new func. Raises FuncExists and ImageBeingRemoved."""
        self.check()
        with self.lock:
            if self._image_removals.get(image_id, 0) > time.monotonic():
                raise ImageBeingRemoved(func.config.image.text)
            if func.name in self.definitions:
                raise FuncExists(func.name)
            self.definitions[func.name] = definition

    def get_func(self, name: str) -> str:
        """Return the definition of a func. Raises FuncNotFound."""
        self.check()
        if name not in self.definitions:
            raise FuncNotFound(name)
        return self.definitions[name]

    def get_funcs(self, names: Sequence[str]) -> list[str]:
        """Return the definitions of the funcs that exist among these names, in that order."""
        self.check()
        return [self.definitions[name] for name in names if name in self.definitions]

    def list_funcs(self, before: str | None = None, page_funcs: int = 500) -> Iterator[list[str]]:
        """Yield the definitions, newest first, in pages. Raises FuncNotFound for `before`."""
        self.check()
        if before is not None and before not in self.definitions:
            raise FuncNotFound(before)
        return self._pages(_age(self.definitions[before]) if before else None, page_funcs)

    def update_func(self, name: str, change: Callable[[str], str]) -> str:
        """Replace a definition with what `change` makes of it. Raises FuncNotFound."""
        with self.lock:
            self.definitions[name] = change(self.get_func(name))
            return self.definitions[name]

    def delete_func(self, name: str, *, force: bool = False) -> None:
        """Delete a func and its calls. Raises FuncNotFound, and FuncBusy if it has calls to run."""
        with self.lock:
            self.get_func(name)
            if self.calls and not self.calls.remove_func(name, force=force):
                raise FuncBusy(name)
            del self.definitions[name]

    def announce_image_removal(self, image_id: str, seconds: float) -> None:
        """Refuse new funcs with an image for the next `seconds`."""
        self._image_removals[image_id] = time.monotonic() + seconds

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
        """Raise the error of `fail_with`."""
        if self._error:
            raise self._error


def _age(definition: str) -> tuple[str, str]:
    """Return the sort key of a definition in a listing: its creation time, then its name."""
    document = json.loads(definition)
    return document["Created"], document["Name"]
