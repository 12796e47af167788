"""The schema of a func: the contract's table under POST /funcs/create, and its shape in answers.

The contract's PascalCase names are the fields' `data_key`. Fields are declared in the order of an
answer, which is the order of the Docker Engine's own structures.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from marshmallow import ValidationError, post_load, validates_schema
from marshmallow.fields import Field, Nested

from funcsvc.model import (
    DEFAULT_SIZE,
    DEFAULT_TIMEOUT_SECONDS,
    SIZES,
    Broken,
    Config,
    Func,
    HostConfig,
    Policy,
)
from funcsvc.model.errors import DefinitionTooLarge
from funcsvc.schemas import fields, ports
from funcsvc.schemas.combinations import (
    NETWORK_RULES,
    TOGETHER_RULES,
    broken_by_network,
    broken_by_ports,
    broken_together,
)
from funcsvc.schemas.json_body import parse_json_object
from funcsvc.schemas.strict import Always, Given, StrictSchema

MAX_STORED_BYTES = 512 * 1024
"""What is stored can be longer than the request, which can leave out much of it."""

MAX_CACHED_FUNCS = 512
MAX_CACHED_CHARACTERS = 16 * 1024


def format_time(time: datetime) -> str:
    """Return a UTC time as in RFC 3339, with milliseconds: `2017-03-16T07:05:24.473Z`."""
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


class ConfigSchema(StrictSchema):
    """The schema of `Config`: what runs."""

    exposed_ports = ports.ExposedPorts(data_key="ExposedPorts")
    tty = fields.Flag(data_key="Tty")
    env = fields.Env(data_key="Env")
    cmd = fields.Command(data_key="Cmd")
    image = fields.Reference(data_key="Image", required=True)
    working_dir = fields.AbsolutePath(data_key="WorkingDir")
    entrypoint = fields.Command(data_key="Entrypoint")
    labels = fields.Labels(data_key="Labels")
    stop_signal = fields.StopSignal(data_key="StopSignal")

    @post_load
    def make_config(self, data: dict[str, Any], *, partial: Any, **kwargs: Any) -> Any:
        return data if partial else Config(**data)


class HostConfigSchema(StrictSchema):
    """The schema of `HostConfig`: how a container is connected to its host."""

    network_mode = fields.NetworkMode(data_key="NetworkMode")
    port_bindings = ports.PortBindings(data_key="PortBindings")
    volumes_from = fields.VolumesFrom(data_key="VolumesFrom")
    links = fields.Links(data_key="Links")
    publish_all_ports = fields.Flag(data_key="PublishAllPorts")

    json_rules = NETWORK_RULES

    @post_load
    def make_host_config(self, data: dict[str, Any], *, partial: Any, **kwargs: Any) -> Any:
        return data if partial else HostConfig(**data)


class NetworkingConfigSchema(StrictSchema):
    """The schema of `NetworkingConfig`, which some clients send. It can only be empty."""

    endpoints_config = fields.EndpointsConfig(data_key="EndpointsConfig")


class FuncSchema(StrictSchema):
    """The schema of a definition. `policy` has the operator's rules, on top of the contract's."""

    name = fields.Name(data_key="Name", required=True)
    size = fields.SizeName(data_key="ContainerSize", load_default=SIZES[DEFAULT_SIZE])
    timeout_seconds = fields.TimeoutSeconds(
        data_key="Timeout", load_default=DEFAULT_TIMEOUT_SECONDS
    )
    uuid: Field[Any] = Given({"type": "string", "format": "uuid"}, data_key="UUID")
    created: Field[Any] = Given(
        {"type": "string", "format": "date-time"},
        write=format_time,
        read=datetime.fromisoformat,
        data_key="Created",
    )
    config = Always(ConfigSchema, data_key="Config")
    host_config = Nested(HostConfigSchema, data_key="HostConfig", load_default=HostConfig)
    networking_config = Nested(NetworkingConfigSchema, data_key="NetworkingConfig")

    json_rules = TOGETHER_RULES

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__()
        self.policy = policy or Policy()

    def load_new(self, document: Mapping[str, Any]) -> Func:
        """Return the func that a request defines, with a new UUID and the current time.

        Raises InvalidDefinition with every wrong field.
        """
        data = self.load_strictly(document)
        return _func({**data, "uuid": str(uuid4()), "created": datetime.now(UTC)})

    def read_stored(self, definition: str) -> Func:
        """Return the func of a stored definition, which is held to no rule."""
        data = self.read(json.loads(definition))
        config, host_config = Config(**data["config"]), HostConfig(**data["host_config"])
        return _func({**data, "config": config, "host_config": host_config})

    def check_stored(self, definition: str) -> None:
        """Raise InvalidDefinition if a stored definition breaks a rule."""
        self.load_strictly(parse_json_object(definition.encode()))

    @validates_schema(skip_on_field_errors=False)
    def check_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        errors: dict[str, dict[str, list[str]]] = {}
        for path, message in self._broken(data):
            section, _, option = path.partition(".")
            errors.setdefault(section, {}).setdefault(option, []).append(message)
        if errors:
            raise ValidationError(errors)

    def _broken(self, data: dict[str, Any]) -> Iterator[Broken]:
        """Yield what the policy forbids and what conflicts, as far as the fields could be read."""
        image = _option(data.get("config"), "image")
        if image:
            yield from self.policy.broken_by_image(image)
        host_config = data.get("host_config")
        if isinstance(host_config, dict):  # some of its options are wrong
            host_config = HostConfig(**host_config)
        if host_config:
            yield from self.policy.broken_by_host_config(host_config)
            yield from broken_by_network(host_config)
            exposed_ports = _option(data.get("config"), "exposed_ports") or ()
            yield from broken_together(exposed_ports, host_config)
            yield from broken_by_ports(exposed_ports, host_config)


def _func(data: Mapping[str, Any]) -> Func:
    return Func(**{field.name: data[field.name] for field in dataclasses.fields(Func)})


def _option(config: Config | dict[str, Any] | None, name: str) -> Any:
    """Return an option of a Config, or of the part of one that could be read."""
    return config.get(name) if isinstance(config, dict) else getattr(config, name, None)


def func_text(func: Func) -> str:
    """Return a func as JSON text, which is both stored and sent in answers."""
    return json.dumps(func_document(func), ensure_ascii=False)


def check_length(definition: str) -> None:
    """Raise DefinitionTooLarge if a definition is too long to be stored."""
    if len(definition.encode()) > MAX_STORED_BYTES:
        raise DefinitionTooLarge(MAX_STORED_BYTES)


def func_document(func: Func) -> dict[str, Any]:
    """Return a func as the JSON object of an answer."""
    return _SCHEMA.write(func)


def load_func(definition: str) -> Func:
    """Return the func of a stored definition. Short definitions are cached.

    It is held to no rule, since it could have been stored when the rules were others: only its
    calls can't start (`check_rules`).
    """
    if len(definition) > MAX_CACHED_CHARACTERS:
        return _SCHEMA.read_stored(definition)
    return _load_cached(definition)


def check_rules(definition: str) -> None:
    """Raise InvalidDefinition if a stored definition breaks a rule by now.

    Those that break none are cached, if they are short.
    """
    if len(definition) > MAX_CACHED_CHARACTERS:
        _SCHEMA.check_stored(definition)
    else:
        _check_cached(definition)


@lru_cache(maxsize=MAX_CACHED_FUNCS)
def _load_cached(definition: str) -> Func:
    return _SCHEMA.read_stored(definition)


@lru_cache(maxsize=MAX_CACHED_FUNCS)
def _check_cached(definition: str) -> None:
    _SCHEMA.check_stored(definition)


_SCHEMA = FuncSchema()  # no policy: the operator's rules apply only to new funcs
