"""The fields of ports: those that a container listens on, and where they are published."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError

from funcsvc.model import PortBinding
from funcsvc.schemas.json_schema import (
    EMPTY_OBJECT,
    NULL,
    JsonSchema,
    list_of,
    map_of,
    matching,
    or_null,
)
from funcsvc.schemas.strict import (
    ENOUGH_ERRORS,
    Ruled,
    broken,
    check_entries,
    check_items,
    typed,
)

MAX_PORT = 65535

_PORT_NUMBER = (
    r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_PORT = re.compile(_PORT_NUMBER)
_CONTAINER_PORT = rf"{_PORT_NUMBER}(?:/(?:tcp|udp))?"
_PORT_AND_PROTOCOL = rf"{_PORT_NUMBER}/(?:tcp|udp)"
_HOST_PORT = rf"(?:{_PORT_NUMBER}(?:-{_PORT_NUMBER})?)?"
_HOST_IP: JsonSchema = {
    "anyOf": [
        {"type": "string", "maxLength": 0},
        {"type": "string", "format": "ipv4"},
        {"type": "string", "format": "ipv6"},
    ]
}


def _binding_of(field: Callable[[JsonSchema], JsonSchema]) -> JsonSchema:
    """Return the schema of a port binding, with `field` applied to the schema of each key."""
    return {
        "type": "object",
        "properties": {"HostIp": field(_HOST_IP), "HostPort": field(matching(_HOST_PORT))},
        "additionalProperties": NULL,
    }


class _PortMap(Ruled[Any]):
    """An object whose keys are container ports."""

    rule = "an object with a key for each port, such as 80/tcp"
    key_rule = f"a port from 1 to {MAX_PORT} with an optional /tcp or /udp"
    entry_rule: str

    def parse(self, value: Any) -> Any:
        """Return the parsed entries by normalised port."""
        taken: set[str] = set()
        pairs = {key: (key, entry) for key, entry in typed(dict, value).items()}
        return dict(check_entries(pairs, lambda pair: self._parse_pair(pair, taken), "").values())

    def _parse_pair(self, pair: Any, taken: set[str]) -> tuple[str, Any]:
        key, entry = pair
        port = normalise_port(key)
        if port is None:
            raise ValidationError(f"is not a port: a key must be {self.key_rule}.")
        if port in taken:
            raise ValidationError(f"is given twice: {port} is already there.")
        taken.add(port)
        try:
            return port, self.parse_entry(entry)
        except ValueError:
            raise ValidationError(broken(entry, self.entry_rule)) from None

    def parse_entry(self, entry: Any) -> Any:
        """Return what the port maps to. Raises ValueError or ValidationError."""
        raise NotImplementedError


class ExposedPorts(_PortMap):
    """The ports that a container listens on; each maps to an empty object."""

    entry_rule = "an empty object"
    json_schema = map_of(_CONTAINER_PORT, EMPTY_OBJECT)
    answer_schema = map_of(_PORT_AND_PROTOCOL, {"type": "object", "maxProperties": 0})

    def parse(self, value: Any) -> Sequence[str]:
        return list(super().parse(value))

    def parse_entry(self, entry: Any) -> None:
        if typed(dict, entry):
            raise ValueError

    def write(self, value: Sequence[str]) -> dict[str, Any]:
        return {port: {} for port in value}

    def read(self, written: Mapping[str, Any]) -> Sequence[str]:
        return list(written)


class PortBindings(_PortMap):
    """Where each port is published on the host."""

    entry_rule = 'a list of {"HostIp": "", "HostPort": "<port>"}'
    json_schema = map_of(_CONTAINER_PORT, list_of(_binding_of(or_null)))
    answer_schema = map_of(
        _PORT_AND_PROTOCOL,
        list_of(_binding_of(dict) | {"required": ["HostIp", "HostPort"]}),
    )

    def parse_entry(self, entry: Any) -> Sequence[PortBinding]:
        return check_items(typed(list, entry), parse_port_binding, "an object with HostPort")

    def write(self, value: Mapping[str, Sequence[PortBinding]]) -> dict[str, Any]:
        return {
            port: [{"HostIp": one.host_ip, "HostPort": one.host_port} for one in bound]
            for port, bound in value.items()
        }

    def read(self, written: Mapping[str, Any]) -> Mapping[str, Sequence[PortBinding]]:
        return {
            port: [PortBinding(one["HostIp"], one["HostPort"]) for one in bound]
            for port, bound in written.items()
        }


def normalise_port(text: str) -> str | None:
    """Return `80/tcp` for `80` or `80/tcp`, and None for anything that isn't a port."""
    number, slash, protocol = text.partition("/")
    if not _is_port(number) or (slash and protocol not in ("tcp", "udp")):
        return None
    return f"{number}/{protocol or 'tcp'}"


def parse_port_binding(value: Any) -> PortBinding:
    """Return the port binding in a JSON object. Raises ValidationError with the wrong keys."""
    unknown = (key for key in typed(dict, value) if key not in _BINDING_RULES)
    errors = {
        key: [f"is not a known field: the fields are {' and '.join(_BINDING_RULES)}."]
        for key in itertools.islice(unknown, ENOUGH_ERRORS)
    }
    for key, (accepts, rule) in _BINDING_RULES.items():
        if not accepts(value.get(key, "")):
            errors[key] = [broken(value[key], rule)]
    if errors:
        raise ValidationError(errors)
    return PortBinding(value.get("HostIp", ""), value.get("HostPort", ""))


def _is_host_ip(value: Any) -> bool:
    """Go's net.ParseIP takes no zone, and the engine publishes everywhere if it can't parse one."""
    if not isinstance(value, str):
        return False
    try:
        return not value or ("%" not in value and bool(ipaddress.ip_address(value)))
    except ValueError:
        return False


def _is_host_port(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    first, dash, last = value.partition("-")
    if not dash:
        return not first or _is_port(first)
    return _is_port(first) and _is_port(last) and int(first) <= int(last)


def _is_port(text: str) -> bool:
    return bool(_PORT.fullmatch(text))


_BINDING_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "HostIp": (_is_host_ip, "an IP address without a zone, or empty for all"),
    "HostPort": (
        _is_host_port,
        f'a string: a port from 1 to {MAX_PORT}, a range such as "8000-8010", or empty',
    ),
}
