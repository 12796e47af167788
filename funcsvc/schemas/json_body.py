"""Parses JSON strictly: whatever two parsers could read differently is refused.

RFC 8259 leaves duplicate names, NaN, lone surrogates and huge numbers to the parser; here they are
errors. Nulls are removed from objects, since in a request null means absent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from funcsvc.model.errors import MAX_ERRORS, InvalidDefinition, MalformedBody, path_below

MAX_DEFINITION_BYTES = 256 * 1024

MAX_DEPTH = 32
"""How deep objects and lists may be nested. The deepest valid definition has five levels."""

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
_MAX_DIGITS = 20


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`, without nulls. Raises MalformedBody.

    Raises InvalidDefinition for strings with a NUL character or a lone surrogate, with their paths.
    """
    text = _decode(body)
    if text.isspace() or not text:
        raise MalformedBody("The body is empty, but must be a JSON object.")
    _check_depth(text)
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    if not isinstance(document, dict):
        raise MalformedBody(f"The body is {_kind(document)}, but must be a JSON object.")
    if "\\u" in text:  # without escapes, UTF-8 and JSON rule these out
        _check_characters(document)
    return document


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not valid UTF-8 at byte {error.start}.") from None


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for character in _outside_strings(text):
        if character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedBody(
                    "The body is nested too deeply: at most "
                    f"{MAX_DEPTH} levels of objects and lists are allowed."
                )
        elif character in "}]":
            depth -= 1


def _outside_strings(text: str) -> Iterator[str]:
    inside = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside = not inside
        elif not inside:
            yield character


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise MalformedBody(
            f"The key {_show_key(_first_repeated(pairs))} appears twice in one object."
        )
    if None in document.values():
        return {key: value for key, value in pairs if value is not None}
    return document


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    raise AssertionError("no key is repeated")


def _integer(digits: str) -> int:
    if len(digits) <= _MAX_DIGITS:
        value = int(digits)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    raise MalformedBody(f"The number {_cut(digits)} doesn't fit in 64 bits.")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise MalformedBody(f"The number {_cut(digits)} doesn't fit in 64 bits.")
    return value


def _constant(name: str) -> None:
    raise MalformedBody(f"The body contains {name}, which is not a JSON value.")


def _check_characters(document: dict[str, Any]) -> None:
    errors: dict[str, list[str]] = {}
    for path, text in _strings(document):
        if "\0" in text:
            errors[path] = [f"{path} contains a NUL character, which is not allowed."]
        elif not _encodable(text):
            errors[path] = [f"{path} contains a lone surrogate, which is not a character."]
        if len(errors) > MAX_ERRORS:
            break
    if errors:
        raise InvalidDefinition(errors)


def _strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in `value`, including keys, with its dotted path made printable."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            below = path_below(path, _printable(key))
            yield below, key
            yield from _strings(item, below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, path_below(path, index))


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


def _show_key(key: str) -> str:
    return json.dumps(_cut(_printable(key)), ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "a list", int: "a number", float: "a number"}
    return names[type(value)]


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
