"""The fields of a definition, one class for each rule in the contract's table.

A field turns a JSON value, which is never null, into the model's value. Its `rule` completes the
sentence "… but must be".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from funcsvc.model import (
    MAX_STRING_BYTES,
    MAX_TIMEOUT_SECONDS,
    REFERENCE_PATTERN,
    SIZES,
    STARTER_FOLDER,
    ImageReference,
    InvalidReference,
    Size,
    is_in_starter_folder,
    is_too_long,
    parse_image_reference,
)
from funcsvc.schemas.command_line import split_words
from funcsvc.schemas.json_schema import (
    EMPTY_OBJECT,
    NULL,
    TEXT,
    bounded,
    list_of,
    map_of,
    matching,
)
from funcsvc.schemas.signals import MAX_NUMBER, SIGNAL_PATTERN, is_signal
from funcsvc.schemas.strict import Ruled, check_entries, check_items, typed

MAX_PATH_NAMES, MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 255, 3500
"""On the engine's host, a path has 4,095 bytes at most; its data root takes some of them."""

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,253}[a-z0-9])?")
_CONTAINER = r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_ALIAS = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_LINK = re.compile(f"{_CONTAINER}(?::{_ALIAS})?")
_VOLUMES_FROM = re.compile(f"{_CONTAINER}(?::(?:ro|rw))?")
_CONTAINER_NETWORK = re.compile(f"container:{_CONTAINER}")
_GOES_UP = r"(?:[^\x00]*/)?\.\.(?:/|$)"
_IN_STARTER_FOLDER = rf"/(?:\.?/)*{re.escape(STARTER_FOLDER[1:])}(?:/(?!{_GOES_UP})[^\x00]*)?$"
"""Paths that need no `..` to be there: what those lead to, a regular expression can't tell."""

_SPLITTABLE = r"""(?:[^'"\\\x00]|\\[^\x00]|'[^'\x00]*'|"(?:[^"\\\x00]|\\[^\x00])*")*"""


class Name(Ruled[str]):
    """The name of a func."""

    rule = "1 to 255 characters of a-z, 0-9 and '-', with no '-' at either end"
    json_schema = matching(_NAME.pattern)

    def parse(self, value: Any) -> str:
        if not _NAME.fullmatch(typed(str, value)):
            raise ValueError
        return str(value)


class AnyString(Ruled[str]):
    """A string that isn't checked any further."""

    rule = "a string"
    json_schema = TEXT

    def parse(self, value: Any) -> str:
        return str(typed(str, value))


class SizeName(Ruled[Size]):
    """The name of a container-size preset."""

    rule = f"one of {', '.join(SIZES)}"
    json_schema = {"type": "string", "enum": list(SIZES)}

    def parse(self, value: Any) -> Size:
        size = SIZES.get(typed(str, value))
        if size is None:
            raise ValueError
        return size

    def write(self, value: Size) -> str:
        return value.name

    def read(self, written: str) -> Size:
        return SIZES.get(written) or Size(written, cpus=0, memory_bytes=0)


class TimeoutSeconds(Ruled[int]):
    """How long a call may run."""

    rule = f"a whole number of seconds from 1 to {MAX_TIMEOUT_SECONDS}"
    json_schema = {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_SECONDS}

    def parse(self, value: Any) -> int:
        if not 1 <= typed(int, value) <= MAX_TIMEOUT_SECONDS:
            raise ValueError
        return int(value)


class Reference(Ruled[ImageReference]):
    """An image reference."""

    rule = "an image reference such as ubuntu, ubuntu:22.04 or registry.example.com:5000/team/tool"
    json_schema = matching(REFERENCE_PATTERN)

    def parse(self, value: Any) -> ImageReference:
        try:
            return parse_image_reference(typed(str, value))
        except InvalidReference as error:
            raise ValueError(f"an image reference, and {error}") from None

    def write(self, value: ImageReference) -> str:
        return value.text

    def read(self, written: str) -> ImageReference:
        try:
            return parse_image_reference(written)
        except InvalidReference:
            return ImageReference(written, domain="", path=written, tag="", digest="")


class Flag(Ruled[bool]):
    """A boolean. 0, 1 and strings are not accepted."""

    rule = "true or false"
    json_schema = {"type": "boolean"}

    def parse(self, value: Any) -> bool:
        return bool(typed(bool, value))


class Strings(Ruled[Sequence[str]]):
    """A list of strings. Each must match `pattern`, if there is one, and take few enough bytes."""

    rule = "a list of strings"
    item_rule = "a string"
    pattern: re.Pattern[str] | None = None
    max_item_bytes = MAX_STRING_BYTES
    json_schema = list_of(bounded(TEXT, max_item_bytes))

    def parse(self, value: Any) -> Sequence[str]:
        return check_items(typed(list, value), self.parse_item, self.item_rule)

    def parse_item(self, item: Any) -> str:
        """Return the model's value of an item. Raises ValueError."""
        if self.pattern and not self.pattern.fullmatch(typed(str, item)):
            raise ValueError
        if len(typed(str, item).encode("utf-8", "surrogatepass")) > self.max_item_bytes:
            raise ValueError(f"at most {self.max_item_bytes} bytes long")
        return str(item)


class Command(Strings):
    """A command line: a list, or one string that is split as docker-py's split_command does."""

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
            return split_words(value)
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
    """Links to other containers. Without an alias, the engine uses the container's name."""

    rule = "a list of container_name:alias or container_name"
    item_rule = "container_name:alias or container_name, of letters, digits, '_', '.' and '-'"
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
        if typed(str, value) in ("bridge", "host") or _CONTAINER_NETWORK.fullmatch(value):
            return str(value)
        raise ValueError


class AbsolutePath(Ruled[str]):
    """An absolute path in the container."""

    rule = "an absolute path, one that starts with '/'"
    json_schema = matching(rf"(?!{_IN_STARTER_FOLDER})/[^\x00]*")

    def parse(self, value: Any) -> str:
        if not typed(str, value).startswith("/"):
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
        "anyOf": [
            matching(SIGNAL_PATTERN),
            {"type": "integer", "minimum": 1, "maximum": MAX_NUMBER},
        ]
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
        return check_entries(typed(dict, value), lambda item: str(typed(str, item)), "a string")


class EndpointsConfig(Ruled[None]):
    """The endpoints in user-defined networks, which this service doesn't have."""

    rule = "null or {}, since there are no user-defined networks"
    json_schema = EMPTY_OBJECT
    answer_schema = NULL
    always_shown = True

    def parse(self, value: Any) -> None:
        if typed(dict, value):
            raise ValueError
