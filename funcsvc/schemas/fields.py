"""The fields of a definition, one class for each rule in the contract's table.

A field turns a JSON value, which is never null, into the model's value. Its `rule` completes the
sentence "… but must be".
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError

from funcsvc.model import (
    MAX_STRING_BYTES,
    MAX_TIMEOUT_SECONDS,
    REFERENCE_PATTERN,
    SIZES,
    STARTER_FOLDER,
    ImageReference,
    InvalidReference,
    PortBinding,
    Size,
    is_in_starter_folder,
    is_too_long,
    parse_image_reference,
)
from funcsvc.schemas.json_schema import (
    NULL,
    TEXT,
    JsonSchema,
    bounded,
    list_of,
    map_of,
    matching,
    or_null,
)
from funcsvc.schemas.signals import SIGNAL_PATTERN, is_signal
from funcsvc.schemas.strict import Ruled, broken, check_entries, check_items

MAX_PORT = 65535

MAX_PATH_NAMES, MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 255, 3999
"""A path of the engine's host, below its data root, has 4,095 bytes at most."""

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,253}[a-z0-9])?")
_PORT_NUMBER = (
    r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_CONTAINER = r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_ALIAS = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_LINK = re.compile(f"{_CONTAINER}:{_ALIAS}")
_VOLUMES_FROM = re.compile(f"{_CONTAINER}(?::(?:ro|rw))?")
_CONTAINER_NETWORK = re.compile(f"container:{_CONTAINER}")
_PORT = re.compile(_PORT_NUMBER)
_SPLITTABLE = r"""(?:[^'"\\\x00]|\\[^\x00]|'[^'\x00]*'|"(?:[^"\\\x00]|\\[^\x00])*")*"""


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
_EMPTY_OBJECT: JsonSchema = {"type": "object", "additionalProperties": NULL}


def _binding_of(field: Callable[[JsonSchema], JsonSchema]) -> JsonSchema:
    """Return the schema of a port binding, with `field` applied to the schema of each key."""
    return {
        "type": "object",
        "properties": {"HostIp": field(_HOST_IP), "HostPort": field(matching(_HOST_PORT))},
        "additionalProperties": NULL,
    }


def _a(kind: type, value: Any) -> Any:
    """Return the value if its type is `kind`; a boolean isn't an integer. Raises ValueError."""
    if type(value) is not kind:
        raise ValueError
    return value


class Name(Ruled[str]):
    """The name of a func."""

    rule = "1 to 255 characters of a-z, 0-9 and '-', with no '-' at either end"
    json_schema = matching(_NAME.pattern)

    def parse(self, value: Any) -> str:
        if not _NAME.fullmatch(_a(str, value)):
            raise ValueError
        return str(value)


class AnyString(Ruled[str]):
    """A string that isn't checked any further."""

    rule = "a string"
    json_schema = TEXT

    def parse(self, value: Any) -> str:
        return str(_a(str, value))


class SizeName(Ruled[Size]):
    """The name of a container-size preset."""

    rule = f"one of {', '.join(SIZES)}"
    json_schema = {"type": "string", "enum": list(SIZES)}

    def parse(self, value: Any) -> Size:
        size = SIZES.get(_a(str, value))
        if size is None:
            raise ValueError
        return size

    def write(self, value: Size) -> str:
        return value.name


class TimeoutSeconds(Ruled[int]):
    """How long a call may run."""

    rule = f"a whole number of seconds from 1 to {MAX_TIMEOUT_SECONDS}"
    json_schema = {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_SECONDS}

    def parse(self, value: Any) -> int:
        if not 1 <= _a(int, value) <= MAX_TIMEOUT_SECONDS:
            raise ValueError
        return int(value)


class Reference(Ruled[ImageReference]):
    """An image reference."""

    rule = "an image reference such as ubuntu, ubuntu:22.04 or registry.example.com:5000/team/tool"
    json_schema = matching(REFERENCE_PATTERN)

    def parse(self, value: Any) -> ImageReference:
        try:
            return parse_image_reference(_a(str, value))
        except InvalidReference as error:
            raise ValueError(f"an image reference, and {error}") from None

    def write(self, value: ImageReference) -> str:
        return value.text


class Flag(Ruled[bool]):
    """A boolean. 0, 1 and strings are not accepted."""

    rule = "true or false"
    json_schema = {"type": "boolean"}

    def parse(self, value: Any) -> bool:
        return bool(_a(bool, value))


class Strings(Ruled[Sequence[str]]):
    """A list of strings. Each must match `pattern`, if there is one, and take few enough bytes."""

    rule = "a list of strings"
    item_rule = "a string"
    pattern: re.Pattern[str] | None = None
    max_item_bytes = MAX_STRING_BYTES
    json_schema = list_of(bounded(TEXT, max_item_bytes))

    def parse(self, value: Any) -> Sequence[str]:
        return check_items(_a(list, value), self.parse_item, self.item_rule)

    def parse_item(self, item: Any) -> str:
        """Return the model's value of an item. Raises ValueError."""
        if self.pattern and not self.pattern.fullmatch(_a(str, item)):
            raise ValueError
        if len(_a(str, item).encode("utf-8", "surrogatepass")) > self.max_item_bytes:
            raise ValueError(f"at most {self.max_item_bytes} bytes long")
        return str(item)


class Command(Strings):
    """A command line: a list, or one string that is split into words as a POSIX shell would.

    shlex splits it in POSIX mode, as it does in docker-py's split_command.
    """

    rule = "a list of strings, or one string"
    answer_schema = Strings.json_schema
    json_schema = {"anyOf": [answer_schema, matching(_SPLITTABLE)]}

    def parse(self, value: Any) -> Sequence[str]:
        if not isinstance(value, str):
            return super().parse(value)
        words = self._split(value)
        if any(map(is_too_long, words)):
            raise ValueError(f"a command line of words of at most {MAX_STRING_BYTES} bytes each")
        return words

    def _split(self, value: str) -> Sequence[str]:
        try:
            return shlex.split(value)
        except ValueError as error:
            raise ValueError(f"a command line that can be split: {error}") from None


class Env(Strings):
    """Environment variables."""

    rule = "a list of VAR=value"
    item_rule = "VAR=value, with VAR not empty"
    always_shown = True
    pattern = re.compile(r"[^=\x00]+=[^\x00]*")
    json_schema = list_of(bounded(matching(pattern.pattern), MAX_STRING_BYTES))


class Links(Strings):
    """Links to other containers."""

    rule = "a list of container_name:alias"
    item_rule = "container_name:alias, both of letters, digits, '_', '.' and '-'"
    pattern = _LINK
    max_item_bytes = 64_000  # the engine makes variables of it that have the alias twice
    json_schema = list_of(bounded(matching(pattern.pattern), max_item_bytes))


class VolumesFrom(Strings):
    """Containers whose volumes are mounted."""

    rule = "a list of container names, each with an optional :ro or :rw"
    item_rule = "a container name with an optional :ro or :rw"
    pattern = _VOLUMES_FROM
    json_schema = list_of(matching(pattern.pattern))


class NetworkMode(Ruled[str]):
    """The network of a container."""

    rule = "bridge, host or container:<name|id>"
    json_schema = matching(f"bridge|host|{_CONTAINER_NETWORK.pattern}")

    def parse(self, value: Any) -> str:
        if _a(str, value) in ("bridge", "host") or _CONTAINER_NETWORK.fullmatch(value):
            return str(value)
        raise ValueError


class AbsolutePath(Ruled[str]):
    """An absolute path in the container."""

    rule = "an absolute path, one that starts with '/'"
    json_schema = matching(rf"(?!/+{re.escape(STARTER_FOLDER[1:])}(?:/|$))/[^\x00]*")

    def parse(self, value: Any) -> str:
        if not _a(str, value).startswith("/"):
            raise ValueError
        if _is_deep(value):
            raise ValueError(
                f"a path of at most {MAX_PATH_NAMES} names of at most {MAX_NAME_BYTES} bytes each, "
                f"and of at most {MAX_PATH_BYTES} bytes in all"
            )
        if is_in_starter_folder(value):
            raise ValueError(f"outside of {STARTER_FOLDER}, which is this service's own")
        return str(value)


def _is_deep(path: str) -> bool:
    """Tell whether no engine can make a directory, by the limits of its own and of the kernel."""
    normal = posixpath.normpath(path).encode("utf-8", "surrogatepass")
    names = normal.strip(b"/").split(b"/")
    is_long = len(normal) > MAX_PATH_BYTES or max(map(len, names)) > MAX_NAME_BYTES
    return is_long or len(names) > MAX_PATH_NAMES


class StopSignal(Ruled[str | int]):
    """A signal. The engine refuses 0, and names that it doesn't know."""

    rule = "a signal name such as SIGTERM or TERM, or an unsigned integer other than 0"
    json_schema = {
        "anyOf": [matching(SIGNAL_PATTERN), {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}]
    }

    def parse(self, value: Any) -> str | int:
        if type(value) not in (str, int) or not is_signal(value):
            raise ValueError
        return value  # type: ignore[no-any-return]  # checked to be one of the two just above


class Labels(Ruled[Mapping[str, str]]):
    """A map of strings to strings."""

    rule = "an object of strings"
    json_schema = map_of(r"[^\x00]*", TEXT)

    def parse(self, value: Any) -> Mapping[str, str]:
        return check_entries(_a(dict, value), lambda item: str(_a(str, item)), "a string")


class _PortMap(Ruled[Any]):
    """An object whose keys are container ports."""

    rule = "an object with a key for each port, such as 80/tcp"
    key_rule = f"a port from 1 to {MAX_PORT} with an optional /tcp or /udp"
    entry_rule: str

    def parse(self, value: Any) -> Any:
        """Return the parsed entries by normalised port."""
        taken: set[str] = set()
        pairs = {key: (key, entry) for key, entry in _a(dict, value).items()}
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
    json_schema = map_of(_CONTAINER_PORT, _EMPTY_OBJECT)
    answer_schema = map_of(_PORT_AND_PROTOCOL, {"type": "object", "maxProperties": 0})

    def parse(self, value: Any) -> Sequence[str]:
        return list(super().parse(value))

    def parse_entry(self, entry: Any) -> None:
        if _a(dict, entry):
            raise ValueError

    def write(self, value: Sequence[str]) -> dict[str, Any]:
        return {port: {} for port in value}


class PortBindings(_PortMap):
    """Where each port is published on the host."""

    entry_rule = 'a list of {"HostIp": "", "HostPort": "<port>"}'
    json_schema = map_of(_CONTAINER_PORT, list_of(_binding_of(or_null)))
    answer_schema = map_of(
        _PORT_AND_PROTOCOL,
        list_of(_binding_of(dict) | {"required": ["HostIp", "HostPort"]}),
    )

    def parse_entry(self, entry: Any) -> Sequence[PortBinding]:
        return check_items(_a(list, entry), parse_port_binding, "an object with HostPort")

    def write(self, value: Mapping[str, Sequence[PortBinding]]) -> dict[str, Any]:
        return {
            port: [{"HostIp": one.host_ip, "HostPort": one.host_port} for one in bound]
            for port, bound in value.items()
        }


class EndpointsConfig(Ruled[None]):
    """The endpoints in user-defined networks, which this service doesn't have."""

    rule = "null or {}, since there are no user-defined networks"
    json_schema = _EMPTY_OBJECT
    answer_schema = NULL
    always_shown = True

    def parse(self, value: Any) -> None:
        if _a(dict, value):
            raise ValueError


def normalise_port(text: str) -> str | None:
    """Return `80/tcp` for `80` or `80/tcp`, and None for anything that isn't a port."""
    number, slash, protocol = text.partition("/")
    if not _is_port(number) or (slash and protocol not in ("tcp", "udp")):
        return None
    return f"{number}/{protocol or 'tcp'}"


def parse_port_binding(value: Any) -> PortBinding:
    """Return the port binding in a JSON object. Raises ValidationError with every wrong key."""
    rules = {"HostIp": (_is_host_ip, "an IP address without a zone, or empty for all"),
             "HostPort": (_is_host_port, f'a string: a port from 1 to {MAX_PORT}, a range '
                          'such as "8000-8010", or empty')}  # fmt: skip
    errors = {
        key: [f"is not a known field: the fields are {' and '.join(rules)}."]
        for key in _a(dict, value)
        if key not in rules
    }
    for key, (accepts, rule) in rules.items():
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
