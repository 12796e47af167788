"""Which images clients may see: those that they may use, and of their names only such ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from funcsvc.model import (
    ImageNames,
    ImageReference,
    InvalidReference,
    Policy,
    parse_image_reference,
)
from funcsvc.model.errors import ImageInUse, ImageMissing

_LISTS_OF_NAMES = ("RepoTags", "RepoDigests")


class ShownImages:
    """The engine's images as the operator's allow-list shows them."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def list(self, images: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
        """Yield the images that are shown, each without its hidden names."""
        return (self._without_hidden(image) for image in images if self._is_shown(image))

    def get(self, name: str, image: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an image that was found by `name`, without its hidden names.

        Raises ImageMissing if it is hidden, or is shown, but not under this name.
        """
        meant = _meant(name, names_of(image))
        if not self._is_shown(image) or (meant and not self._shown(image).include(meant)):
            raise ImageMissing(name)
        return self._without_hidden(image)

    def check_removal(self, name: str, image: Mapping[str, Any]) -> None:
        """Raise ImageInUse if hidden names would go as well: an id stands for every name."""
        if _meant(name, names_of(image)) is None and self._hidden(image):
            raise ImageInUse(name, "the operator's allow-list hides another of its names")

    def _is_shown(self, image: Mapping[str, Any]) -> bool:
        """An image without names is shown if there is no allow-list."""
        return not self._policy.allowed_images or bool(self._shown(image).references)

    def _shown(self, image: Mapping[str, Any]) -> ImageNames:
        return ImageNames(image["Id"], self._policy.shown_names(names_of(image)))

    def _hidden(self, image: Mapping[str, Any]) -> set[str]:
        shown = self._shown(image).references
        return {one.text for one in names_of(image).references if one not in shown}

    def _without_hidden(self, image: Mapping[str, Any]) -> Mapping[str, Any]:
        hidden = self._hidden(image)
        if not hidden:
            return image
        shown = {
            key: [one for one in image.get(key) or () if one not in hidden]
            for key in _LISTS_OF_NAMES
        }
        return {**image, **shown}


def names_of(image: Mapping[str, Any]) -> ImageNames:
    """Return the names in the engine's description of an image."""
    names = (name for key in _LISTS_OF_NAMES for name in image.get(key) or ())
    return ImageNames.parse(image["Id"], names)


def _meant(name: str, names: ImageNames) -> ImageReference | None:
    """Return the reference by which an image was found, or None if it was found by its id."""
    try:
        reference = parse_image_reference(name)
    except InvalidReference:
        return None
    return reference if names.include(reference) else None
