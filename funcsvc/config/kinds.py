"""The kinds of settings: how each is parsed and checked."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
        try:
            return tuple(Path(value).read_text().splitlines())
        except (OSError, UnicodeDecodeError):
            raise ValidationError("Must be a file of text that can be read.") from None


class RateLimit(fields.Field[RateLimitItem]):
    """A limit such as `20/minute`."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> RateLimitItem:
        try:
            return parse_rate(value)
        except ValueError:
            raise ValidationError("Must be a limit such as 20/minute.") from None


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


def check_bind(value: str) -> None:
    """Raise ValidationError unless the value is an address to listen on."""
    if re.fullmatch(r"unix:/.+", value):
        return
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValidationError("Must be host:port or unix:/path.")


def is_sentinel_url(url: str) -> bool:
    """Tell whether a Redis URL names sentinels instead of a Redis server."""
    return url.startswith("redis+sentinel://")


def check_docker_host(value: str) -> None:
    """Raise ValidationError unless the value is the address of an engine."""
    if not re.fullmatch(r"(unix|tcp|http|https)://.+", value):
        raise ValidationError("Must start with unix://, tcp://, http:// or https://.")


def check_networks(value: tuple[str, ...]) -> None:
    """Raise ValidationError unless every value is an IP address or network."""
    for word in value:
        try:
            ip_network(word)
        except ValueError:
            raise ValidationError(
                f"Must be addresses or networks, and {word} is neither."
            ) from None


def check_redis_url(value: str) -> None:
    """Raise ValidationError unless the value is the URL of a Redis server or of its sentinels."""
    if is_sentinel_url(value):
        if not _SENTINEL_URL.fullmatch(value):
            raise ValidationError("Must be redis+sentinel://host:port,host:port/service/0.")
        return
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValidationError("Must be a URL.") from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValidationError("Must start with redis://, rediss://, unix:// or redis+sentinel://.")
    unknown = {name for name, _ in parse_qsl(parts.query)} - {"db", "password"}
    if not all(name.startswith("ssl_") for name in unknown):
        raise ValidationError("Can only have the options db, password and ssl_….")


_HOST_PORT = r"[^/@:,]+:[0-9]{1,5}"
_SENTINEL_URL = re.compile(
    rf"redis\+sentinel://([^/@]*@)?{_HOST_PORT}(,{_HOST_PORT})*/[^/?]+(/[0-9]+)?"
)
