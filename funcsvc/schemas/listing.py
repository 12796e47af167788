"""The query of a listing: paging, and filters as the Docker Engine reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from funcsvc.model import InvalidReference, parse_image_reference
from funcsvc.model.errors import InvalidQuery, MalformedBody, UnknownOption
from funcsvc.schemas.json_body import parse_json_object
from funcsvc.schemas.json_schema import TEXT, JsonSchema, list_of, map_of

MAX_LIMIT = 10_000
OPTIONS = ("filters", "limit", "before")
_KEYS = ("name", "image", "size", "label")


def filters_json_schema(keys: Sequence[str]) -> JsonSchema:
    """Return the schema of filters with these keys."""
    values = {
        "anyOf": [list_of(TEXT), map_of(r"[^\x00]*", {"type": "boolean"}), {"type": "null"}],
    }
    return {
        "type": "object",
        "properties": dict.fromkeys(keys, values),
        "additionalProperties": {"type": "null"},
    }


FILTERS_JSON_SCHEMA = filters_json_schema(_KEYS)


@dataclass(frozen=True)
class Listing:
    """What to list: at most `limit` funcs that are older than `before` and match the filters.

    Images in `filters` are full names.
    """

    limit: int | None
    before: str | None
    filters: Mapping[str, Collection[str]]

    @property
    def names(self) -> Sequence[str] | None:
        """The names that are asked for, or None for all names."""
        return [*self.filters["name"]] if "name" in self.filters else None

    def has(self, definition: str) -> bool:
        """Tell whether a stored definition matches the filters.

        It must match one value of each key, but every label, as in the Docker Engine.
        """
        if not self.filters:
            return True
        document = json.loads(definition)
        labels = document["Config"].get("Labels", {})
        return (
            _one_of(self.filters.get("name"), document["Name"])
            and _one_of(self.filters.get("size"), document["ContainerSize"])
            and _one_of(self.filters.get("image"), _canonical(document["Config"]["Image"]))
            and all(_labelled(labels, label) for label in self.filters.get("label", ()))
        )


def load_listing(query: Mapping[str, str]) -> Listing:
    """Return the listing that a query asks for. Raises UnknownOption or InvalidQuery."""
    for option in query:
        if option not in OPTIONS:
            raise UnknownOption(option, OPTIONS)
    return Listing(
        limit=_limit(query.get("limit")),
        before=query.get("before") or None,
        filters=_filters(query.get("filters")),
    )


def newest_first(definitions: Iterable[str]) -> list[str]:
    """Return stored definitions, sorted from newest to oldest."""
    return sorted(definitions, key=lambda text: str(json.loads(text)["Created"]), reverse=True)


def _limit(text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > MAX_LIMIT:
        raise InvalidQuery("limit", text, f"a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _filters(text: str | None) -> dict[str, Collection[str]]:
    """Return filters whose images are full names, read once and not for each func."""
    filters = load_filters(text, _KEYS)
    # a dict keeps the order, and is searched in one step
    return {
        key: dict.fromkeys(map(_canonical, values) if key == "image" else values)
        for key, values in filters.items()
    }


def load_filters(text: str | None, known: Sequence[str]) -> dict[str, list[str]]:
    """Parse `{"name": ["x"]}` or `{"name": {"x": true}}`. A key without values is ignored.

    Raises InvalidQuery.
    """
    if not text:
        return {}
    rule = 'a JSON object such as {"name": ["x"]} or {"name": {"x": true}}'
    try:
        given = parse_json_object(text.encode("utf-8", "surrogateescape"))
    except MalformedBody:
        raise InvalidQuery("filters", text, rule) from None
    filters = {}
    for key, values in given.items():
        if key not in known:
            raise InvalidQuery("filters", text, f"an object whose keys are {', '.join(known)}")
        if not _is_set_of_strings(values):
            raise InvalidQuery("filters", text, rule)
        if values:
            filters[key] = list(values)
    return filters


def _is_set_of_strings(values: Any) -> bool:
    if isinstance(values, dict):
        return all(type(value) is bool for value in values.values())
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _one_of(wanted: Collection[str] | None, value: str) -> bool:
    return wanted is None or value in wanted


def _canonical(image: str) -> str:
    try:
        return parse_image_reference(image).canonical
    except InvalidReference:
        return image


def _labelled(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)
