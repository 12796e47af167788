"""The body of an update, PUT /funcs/NAME: what can change, and what can only be repeated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from marshmallow import Schema
from marshmallow.fields import Field

from funcsvc.model import Func, Size
from funcsvc.model.errors import InvalidDefinition, show
from funcsvc.schemas import fields
from funcsvc.schemas.func import (
    ConfigSchema,
    FuncSchema,
    HostConfigSchema,
    NetworkingConfigSchema,
    check_length,
    format_time,
    func_document,
    func_text,
    load_func,
)

_ZERO_TIME = "0001-01-01T00:00:00Z"
EMPTY: tuple[Any, ...] = ("", 0, False, [], {}, _ZERO_TIME)
CHANGEABLE = frozenset({"ContainerSize", "Timeout", "Refresh", "Env"})
_SECTIONS: Mapping[str, type[Schema]] = {
    "Config": ConfigSchema,
    "HostConfig": HostConfigSchema,
    "NetworkingConfig": NetworkingConfigSchema,
}


class ChangesSchema(FuncSchema):
    """A definition in which nothing is required, plus `Refresh`."""

    refresh = fields.Flag(data_key="Refresh")
    uuid = fields.AnyString(data_key="UUID")
    created = fields.AnyString(data_key="Created")

    def load_changes(self, document: Mapping[str, Any], definition: str) -> Changes:
        """Return the changes that a request asks for. Raises InvalidDefinition.

        What the stored definition says as well is held to no rule, since the rules could have been
        others when it was stored.
        """
        meant = self._without_empty(document)
        same, other = _split(meant, json.loads(definition))
        data = _merged(self.read(same), self.load_strictly(other, partial=True))
        env = data["config"].pop("env", None)
        return Changes(
            size=data.get("size"),
            timeout_seconds=data.get("timeout_seconds"),
            env=env,
            refresh=data.get("refresh", False),
            said_again=data,
            document=meant,
        )

    def _without_empty(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Drop unchangeable fields that are empty: some clients always send every field."""
        kept = _without_empty(document, self.load_fields.values())
        for key, schema in _SECTIONS.items():
            if isinstance(kept.get(key), dict):
                kept[key] = _without_empty(kept[key], schema._declared_fields.values())
        return kept


@dataclass(frozen=True)
class Changes:
    """What an update changes. A field that is None stays as it is.

    `said_again` has the fields that were sent, except Env, as model values: those that can't change
    must equal the stored ones. `document` has all of them as JSON.
    """

    size: Size | None
    timeout_seconds: int | None
    env: Sequence[str] | None
    refresh: bool
    said_again: Mapping[str, Any]
    document: Mapping[str, Any]

    def apply_to(self, definition: str) -> str:
        """Return a stored definition with the changes applied.

        Raises InvalidDefinition and DefinitionTooLarge.
        """
        func = load_func(definition)
        self._check_unchanged(func)
        config = func.config if self.env is None else replace(func.config, env=self.env)
        text = func_text(
            replace(
                func,
                size=self.size or func.size,
                timeout_seconds=self.timeout_seconds or func.timeout_seconds,
                uuid=str(uuid4()) if self.refresh else func.uuid,
                config=config,
            )
        )
        if config.env != func.config.env and len(text) > len(definition):
            check_length(text)
        return text

    def _check_unchanged(self, func: Func) -> None:
        errors, stored = {}, func_document(func)
        for path in self._differences(func):
            said, today = (_at(document, path) for document in (self.document, stored))
            name = ".".join(path)
            errors[name] = [f"{name} is {show(said)}, but can't change: it is {show(today)}."]
        if errors:
            raise InvalidDefinition(errors)

    def _differences(self, func: Func) -> Iterator[tuple[str, ...]]:
        """Yield the path of each unchangeable field that differs from the stored one."""
        created = format_time(func.created)
        stored = {"name": func.name, "uuid": func.uuid, "created": created}
        for name, today in stored.items():
            if self.said_again.get(name, today) != today:
                yield (_key(ChangesSchema, name),)
        for section, schema in (("config", ConfigSchema), ("host_config", HostConfigSchema)):
            today_section = getattr(func, section)
            for name, said in self.said_again.get(section, {}).items():
                stored_option = getattr(today_section, name)
                if name == "exposed_ports":  # a set, so the order doesn't matter
                    said, stored_option = sorted(said), sorted(stored_option)
                if said != stored_option:
                    yield _key(ChangesSchema, section), _key(schema, name)


def _split(
    meant: Mapping[str, Any], stored: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the part of a document that is stored just so, and the other part."""
    same: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for key, value in meant.items():
        today = stored.get(key)
        if key in _SECTIONS and isinstance(value, dict):
            same[key], other[key] = _split(value, today or {})
        else:  # as JSON, where True isn't 1
            kept = same if key in stored and json.dumps(value) == json.dumps(today) else other
            kept[key] = value
    return same, other


def _merged(same: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return two parts of a document's values as one."""
    sections = ("config", "host_config")
    below = {name: {**same.get(name, {}), **other.get(name, {})} for name in sections}
    return {**same, **other, **below}


def _key(schema: type[Schema], name: str) -> str:
    return schema._declared_fields[name].data_key or name


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document.get(key, {})
    return document or None


def _without_empty(document: Mapping[str, Any], known: Iterable[Field[Any]]) -> dict[str, Any]:
    dropped = {field.data_key for field in known} - CHANGEABLE
    return {
        key: value for key, value in document.items() if key not in dropped or value not in EMPTY
    }
