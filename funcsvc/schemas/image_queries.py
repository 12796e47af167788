"""The queries of images, read as the Docker Engine reads them: unknown options are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from funcsvc.schemas.call_queries import load_flag
from funcsvc.schemas.listing import load_filters

IMAGE_FILTERS = ("before", "dangling", "label", "reference", "since", "until")


@dataclass(frozen=True)
class ImageListing:
    """Which images to list. With `include_all`, that includes intermediate ones."""

    filters: Mapping[str, list[str]]
    include_all: bool


@dataclass(frozen=True)
class ImageRemoval:
    """How to remove an image: also where it has several names, and without its parents."""

    force: bool
    noprune: bool


def load_image_listing(query: Mapping[str, str]) -> ImageListing:
    """Return what a query asks for in a list of images. Raises InvalidQuery.

    `filter` is a name, as before version 1.24 of the Docker Engine's API.
    """
    filters = load_filters(query.get("filters"), IMAGE_FILTERS)
    if name := query.get("filter"):
        filters.setdefault("reference", []).append(name)
    return ImageListing(filters, load_flag(query, "all"))


def load_image_removal(query: Mapping[str, str]) -> ImageRemoval:
    """Return how a query asks for an image to be removed. Raises InvalidQuery."""
    return ImageRemoval(force=load_flag(query, "force"), noprune=load_flag(query, "noprune"))
