"""The kinds of settings: how each is parsed and checked."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from limits import RateLimitItem
from limits import parse as parse_rate
from marshmallow import ValidationError, fields, validate


class Words(fields.Field[tuple[str, ...]]):
    """A comma-separated list."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        return tuple(word.strip() for word in value.split(",") if word.strip())


class LinesOfFile(fields.Field[tuple[str, ...]]):
    """The lines of a text file, given as its path."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        return tuple(_text_of(value).splitlines())


class TextOfFile(fields.Field[str]):
    """The text of a file without the space around it, given as the file's path."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return _text_of(value).strip()


class RateLimit(fields.Field[RateLimitItem]):
    """A limit such as `20/minute`."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> RateLimitItem:
        try:
            return parse_rate(value)
        except ValueError:
            raise ValidationError("Must be a limit such as 20/minute.") from None


def _text_of(path: str) -> str:
    rule = "Must be a file of text that can be read"
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ValidationError(f"{rule}: {error.strerror}.") from None
    except ValueError:
        raise ValidationError(f"{rule}.") from None


def setting(field: fields.Field[Any], text: str, variable: str = "") -> Any:
    """Declare a setting: the field that parses it and has its default, and its help text.

    `variable` is the environment variable's name if it isn't made from the attribute's.
    """
    return dataclasses.field(metadata={"field": field, "help": text, "variable": variable})


def integer(default: int, low: int, high: int) -> fields.Integer:
    """Return a field for a whole number from `low` to `high`."""
    return fields.Integer(load_default=default, validate=validate.Range(low, high))


def seconds(default: float, low: float, high: float) -> fields.Float:
    """Return a field for a number of seconds from `low` to `high`."""
    return fields.Float(load_default=default, validate=validate.Range(low, high))


def flag(default: bool) -> fields.Boolean:
    """Return a field for a switch, written as 1, true, yes or on, or as their opposites."""
    truthy, falsy = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
    return fields.Boolean(load_default=default, truthy=truthy, falsy=falsy)


MAX_SOCKET_PATH_BYTES = 107
"""What Linux takes: it has room for 108, with a NUL at the end (unix(7))."""


def check_bind(value: str) -> None:
    """Raise ValidationError unless the value is an address to listen on."""
    if re.fullmatch(r"unix:/.+", value):
        if len(value.removeprefix("unix:").encode()) > MAX_SOCKET_PATH_BYTES:
            raise ValidationError(
                f"Must be unix: with a path of at most {MAX_SOCKET_PATH_BYTES} bytes."
            )
        return
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValidationError("Must be host:port, with a port from 1 to 65535, or unix:/path.")


def check_docker_host(value: str) -> None:
    """Raise ValidationError unless the value is the address of an engine."""
    if value.startswith("unix://"):
        path = value.removeprefix("unix://").encode()
        if not 0 < len(path) <= MAX_SOCKET_PATH_BYTES:
            raise ValidationError(
                f"Must be unix:// with a path of at most {MAX_SOCKET_PATH_BYTES} bytes."
            )
    elif not _names_host_and_port(value):
        raise ValidationError("Must be unix:///path, or tcp, http or https://host:port.")


def _names_host_and_port(address: str) -> bool:
    try:
        parts = urlsplit(address)
        has_port = bool(parts.port)
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or parts.password or ";" in parts.path)
    return parts.scheme in ("tcp", "http", "https") and has_port and is_plain


def check_network_name(value: str) -> None:
    """Raise ValidationError unless the value can name a network that containers join by choice."""
    if not re.fullmatch(r"(?!(?:host|none|default)\Z)(?:[A-Za-z0-9][A-Za-z0-9_.-]*)?", value):
        raise ValidationError("Must be the name of a network, and not host, none or default.")


def check_networks(value: tuple[str, ...]) -> None:
    """Raise ValidationError unless every value is an IP address or network."""
    for word in value:
        try:
            ip_network(word)
        except ValueError:
            raise ValidationError(
                f"Must be addresses or networks, and {word} is neither."
            ) from None
