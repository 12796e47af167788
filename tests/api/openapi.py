"""The OpenAPI document's schemas, ready to validate values."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator, FormatChecker


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    whole = {**schema, "components": document["components"]}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def component(document: dict[str, Any], name: str) -> Draft202012Validator:
    return validator(document, {"$ref": f"#/components/schemas/{name}"})
