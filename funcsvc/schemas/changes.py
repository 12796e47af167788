"""The body of an update, PUT /funcs/NAME: what may change, and what may only be said again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from marshmallow import Schema

from funcsvc.errors import InvalidDefinition, show
from funcsvc.models import Func, Size
from funcsvc.schemas import fields
from funcsvc.schemas.func import (
    ConfigSchema,
    FuncSchema,
    HostConfigSchema,
    format_time,
    func_text,
)

_ZERO_TIME = "0001-01-01T00:00:00Z"
EMPTY: tuple[Any, ...] = ("", 0, False, [], {}, _ZERO_TIME)
CHANGEABLE = frozenset({"ContainerSize", "Timeout", "Refresh", "Env"})
_STORED = FuncSchema()  # without the operator's policy, which is for what is new


class ChangesSchema(FuncSchema):
    """A definition of which nothing is required, and `Refresh`."""

    refresh = fields.Flag(data_key="Refresh")
    uuid = fields.AnyString(data_key="UUID")
    created = fields.AnyString(data_key="Created")

    def load_changes(self, document: Mapping[str, Any]) -> Changes:
        """Return the changes that a request asks for; raises InvalidDefinition."""
        data = self.load_strictly(_without_empty(document), partial=True)
        config = data.get("config", {})
        return Changes(
            size=data.get("size"),
            timeout_seconds=data.get("timeout_seconds"),
            env=config.pop("env", None),
            refresh=data.get("refresh", False),
            said_again={name: data[name] for name in ("name", "uuid", "created") if name in data},
            config_said_again=config,
            host_config_said_again=data.get("host_config", {}),
        )


@dataclass(frozen=True)
class Changes:
    """What an update changes; None leaves it. What is said again must equal what is stored."""

    size: Size | None
    timeout_seconds: int | None
    env: Sequence[str] | None
    refresh: bool
    said_again: Mapping[str, str]
    config_said_again: Mapping[str, Any]
    host_config_said_again: Mapping[str, Any]

    def apply_to(self, definition: str) -> str:
        """Return a stored definition with the changes; raises InvalidDefinition."""
        func = _STORED.load_stored(definition)
        errors = {path: [sentence] for path, sentence in self._differences(func)}
        if errors:
            raise InvalidDefinition(errors)
        config = func.config if self.env is None else replace(func.config, env=self.env)
        return func_text(
            replace(
                func,
                size=self.size or func.size,
                timeout_seconds=self.timeout_seconds or func.timeout_seconds,
                uuid=str(uuid4()) if self.refresh else func.uuid,
                config=config,
            )
        )

    def _differences(self, func: Func) -> Iterator[tuple[str, str]]:
        today = {"name": func.name, "uuid": func.uuid, "created": format_time(func.created)}
        pairs = {
            _path(ChangesSchema, name): (said, today[name])
            for name, said in self.said_again.items()
        }
        pairs |= {
            _path(ConfigSchema, name, "Config"): (said, getattr(func.config, name))
            for name, said in self.config_said_again.items()
        }
        pairs |= {
            _path(HostConfigSchema, name, "HostConfig"): (said, getattr(func.host_config, name))
            for name, said in self.host_config_said_again.items()
        }
        for path, (said, stored) in pairs.items():
            if said != stored:
                yield (
                    path,
                    f"{path} is {_shown(said)}, but must be {_shown(stored)}: it can't change.",
                )


def _path(schema: type[Schema], name: str, section: str = "") -> str:
    key = schema._declared_fields[name].data_key or name
    return f"{section}.{key}" if section else key


def _without_empty(document: Mapping[str, Any]) -> dict[str, Any]:
    """Take out what clients send along without meaning it: unchangeable fields that are empty."""
    kept = {}
    for key, value in document.items():
        if key in CHANGEABLE:
            kept[key] = value
        elif key in ("Config", "HostConfig", "NetworkingConfig") and isinstance(value, dict):
            kept[key] = {k: v for k, v in value.items() if k in CHANGEABLE or not _is_empty(v)}
        elif not _is_empty(value):
            kept[key] = value
    return kept


def _shown(value: Any) -> str:
    return show(value if isinstance(value, str | int | list | dict) else str(value))


def _is_empty(value: Any) -> bool:
    return value in EMPTY
