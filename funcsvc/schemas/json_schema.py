"""The schemas' rules as JSON Schema (2020-12), for /openapi.json.

A field declares its JSON Schema next to its rule, from the building blocks here; the rest of this
module collects them. In a request null means absent, so it is allowed for everything that isn't
required, even under an unknown name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow.fields import Field, Nested

from funcsvc.schemas.strict import Always, Given, Ruled, StrictSchema

JsonSchema = dict[str, Any]

TEXT: JsonSchema = {"type": "string", "pattern": r"^[^\x00]*$"}
NULL: JsonSchema = {"type": "null"}
EMPTY_OBJECT: JsonSchema = {"type": "object", "additionalProperties": NULL}


def matching(pattern: str) -> JsonSchema:
    """Return the schema of a string that matches a pattern as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def bounded(schema: JsonSchema, max_bytes: int) -> JsonSchema:
    """Return the schema of a string of limited length, which JSON Schema counts in characters."""
    description = f"At most {max_bytes} bytes of UTF-8."
    return {**schema, "maxLength": max_bytes, "description": description}


def list_of(items: JsonSchema) -> JsonSchema:
    """Return the schema of a list of `items`."""
    return {"type": "array", "items": items}


def map_of(key_pattern: str, values: JsonSchema) -> JsonSchema:
    """Return the schema of a map in a request, where an entry of null counts as absent."""
    return {
        "type": "object",
        "patternProperties": {f"^(?:{key_pattern})$": or_null(values)},
        "additionalProperties": NULL,
    }


def or_null(schema: JsonSchema) -> JsonSchema:
    """Return a schema that also allows null."""
    if not schema:
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    if "type" not in schema:
        return {"anyOf": [schema, NULL]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": list(dict.fromkeys([*kinds, "null"])), **enum}


def reference(name: str) -> JsonSchema:
    """Return a reference to a component of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


def request_schemas(
    schema: StrictSchema, name: str, emptiest: Mapping[str, Any]
) -> dict[str, JsonSchema]:
    """Return the schemas of a request's object and of the objects in it, by component name.

    `emptiest` is the answer to the shortest request; the defaults are taken from it.
    """
    prefix = name.removesuffix("Func")
    properties: JsonSchema = {}
    for key, field in _fields(schema):
        properties[key] = _requested(field, prefix + key)
        if not _is_required(field):
            properties[key] = or_null(properties[key]) | _default(field, key, emptiest)
    required = [key for key, field in _fields(schema) if _is_required(field)]
    made = _object(properties, required, NULL) | schema.json_rules
    return {name: made} | _below(
        schema, lambda key, nested: request_schemas(nested, prefix + key, emptiest[key])
    )


def change_schemas(
    schema: StrictSchema, name: str, changeable: frozenset[str], empty: tuple[Any, ...]
) -> dict[str, JsonSchema]:
    """Return the schemas of an update: nothing is required, unchangeable fields can be empty."""
    prefix = name.removesuffix("Func")
    left = {"enum": [*empty, None]}
    properties = {
        key: or_null(_requested(field, prefix + key)) if key in changeable else
        {"anyOf": [_requested(field, prefix + key), left]}
        for key, field in _fields(schema)
    }  # fmt: skip
    return {name: _object(properties, [], NULL)} | _below(
        schema, lambda key, nested: change_schemas(nested, prefix + key, changeable, empty)
    )


def answer_schemas(
    schema: StrictSchema, name: str, emptiest: Mapping[str, Any]
) -> dict[str, JsonSchema]:
    """Return the schemas of an answer. Whatever the `emptiest` answer has is required."""
    properties = {key: _answered(field, key) for key, field in _fields(schema)}
    made = _object(properties, [key for key in properties if key in emptiest], False)
    return {name: made} | _below(
        schema, lambda key, nested: answer_schemas(nested, key, emptiest[key])
    )


def answer_schema(schema: StrictSchema) -> JsonSchema:
    """Return the schema of an answer whose fields the service gives."""
    given = {key: field for key, field in _fields(schema) if isinstance(field, Given)}
    properties = {key: field.answer_schema for key, field in given.items()}
    return _object(properties, [key for key in given if given[key].always_shown], False)


def _object(properties: JsonSchema, required: list[str], others: Any) -> JsonSchema:
    schema = {"type": "object", "properties": properties, "additionalProperties": others}
    return schema | ({"required": required} if required else {})


def _fields(schema: StrictSchema) -> Iterator[tuple[str, Field[Any]]]:
    for name, field in schema.fields.items():
        yield field.data_key or name, field


def _below(schema: StrictSchema, make: Any) -> dict[str, JsonSchema]:
    made: dict[str, JsonSchema] = {}
    for key, field in _fields(schema):
        if isinstance(field, Nested):
            made |= make(key, field.schema)
    return made


def _is_required(field: Field[Any]) -> bool:
    return field.required or isinstance(field, Always)


def _requested(field: Field[Any], component: str) -> JsonSchema:
    if isinstance(field, Nested):
        return reference(component)
    if isinstance(field, Ruled):
        return {**field.json_schema, "description": _sentence(field.rule)}
    return {"description": "Given by the service; in a request it is accepted and ignored."}


def _answered(field: Field[Any], component: str) -> JsonSchema:
    if isinstance(field, Nested):
        return reference(component)
    if isinstance(field, Ruled):
        return field.answer_schema or field.json_schema
    given: JsonSchema = getattr(field, "answer_schema", {})
    return given


def _default(field: Field[Any], key: str, emptiest: Mapping[str, Any]) -> JsonSchema:
    has_default = isinstance(field, Ruled) and key in emptiest
    return {"default": emptiest[key]} if has_default else {}


def _sentence(rule: str) -> str:
    return f"{rule[:1].upper()}{rule[1:]}."
