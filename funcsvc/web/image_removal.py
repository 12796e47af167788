"""Removing images, but none that a function is defined with, and none that is hidden."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from funcsvc.config import Settings
from funcsvc.engine import WebEngine
from funcsvc.model import ImageNames, parse_image_reference
from funcsvc.model.errors import ImageInUse, RemovalForbidden
from funcsvc.schemas import ImageRemoval
from funcsvc.store import FuncStore
from funcsvc.web.shown_images import ShownImages, names_of


class ImageRemover:
    """Removes images in agreement with the creates of all processes.

    A removal is announced before funcs are searched for the image, and a create is refused by the
    announcement. So one of the two sees the other.
    """

    def __init__(self, settings: Settings, engine: WebEngine, funcs: FuncStore) -> None:
        self._settings = settings
        self._engine = engine
        self._funcs = funcs
        self._shown = ShownImages(settings.policy)

    def remove(self, name: str, how: ImageRemoval) -> list[Any]:
        """Remove an image, and return what the engine says that it removed.

        Raises RemovalForbidden, ImageMissing and ImageInUse.
        """
        if not self._settings.policy.allow_image_removal:
            raise RemovalForbidden
        image = self._engine.inspect_image(name)
        self._shown.get(name, image)
        self._shown.check_removal(name, image)
        names = names_of(image)
        self._check_unused(name, names)  # first, so that a refusal keeps nobody from creating
        with self._announced(image["Id"]):
            self._check_unused(name, names)
            return self._engine.remove_image(name, force=how.force, noprune=how.noprune)

    @contextmanager
    def _announced(self, image_id: str) -> Iterator[None]:
        """Announce a removal, until no process remembers the image any longer."""
        remembered = self._settings.engine_remember_seconds
        announce = self._funcs.announce_image_removal
        announce(image_id, 2 * self._settings.engine_start_seconds + remembered)
        try:
            yield
        finally:
            announce(image_id, remembered)

    def _check_unused(self, name: str, names: ImageNames) -> None:
        """Raise ImageInUse if a func is defined with the image, under whichever of its names."""
        for page in self._funcs.list_funcs():
            for document in map(json.loads, page):
                if names.include(parse_image_reference(document["Config"]["Image"])):
                    raise ImageInUse(name, f'the function "{document["Name"]}" is defined with it')
