"""The parts of descriptions: objects, headers, parameters, bodies, answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from funcsvc.model.errors import (
    MAX_ERRORS,
    Busy,
    FuncsvcError,
    InvalidParameter,
    Limited,
    Unauthorized,
)
from funcsvc.schemas import FLAG_VALUES
from funcsvc.web.answers import REQUEST_ID
from funcsvc.web.http_status import error_body, status_of

Json = dict[str, Any]
Errors = dict[FuncsvcError, str]
"""Examples of errors, each with the sentence that says when it is raised."""


class Component(dict[str, Any]):
    """A reference to a named part of the document; `content` is the part itself."""

    def __init__(self, kind: str, name: str, content: Json) -> None:
        super().__init__({"$ref": f"#/components/{kind}/{name}"})
        self.kind = kind
        self.name = name
        self.content = content


def named_schema(name: str, content: Json) -> Component:
    """Return a schema that the document names."""
    return Component("schemas", name, content)


def closed_object(*optional: str, **properties: Json) -> Json:
    """Return the schema of an object with only these properties, required unless `optional`."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def header(name: str, schema: Json, **more: Any) -> Component:
    """Return a header that is always present in the answers that name it."""
    return Component("headers", name, {**more, "required": True, "schema": schema})


def path_parameter(name: str, description: str, example: str) -> Json:
    """Return a path parameter, which is never empty."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def query(name: str, schema: Json, description: str, **more: Any) -> Json:
    """Return a query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def flag_query(name: str, description: str) -> Json:
    """Return a query parameter that is on or off."""
    return query(name, {"type": "string", "enum": [*FLAG_VALUES]}, description)


def json_content(schema: Json, **examples: Any) -> Json:
    """Return JSON content. The document shows names only if there are several examples."""
    shown = {"examples": {name: {"value": value} for name, value in examples.items()}}
    if len(examples) == 1:
        shown = {"example": next(iter(examples.values()))}
    return {"application/json": {"schema": schema, **shown}}


def json_body(schema: Json, **examples: Any) -> Json:
    """Return a JSON request body."""
    return {"required": True, "content": json_content(schema, **examples)}


def answer(description: str, content: Json | None = None, *headers: Component) -> Json:
    """Return an answer, with content by media type, and X-Request-Id besides its own headers."""
    return {
        "description": description,
        "headers": {one.name: one for one in (_REQUEST_ID, *headers)},
        **({"content": content} if content else {}),
    }


def json_answer(description: str, schema: Json, example: Any, *headers: Component) -> Json:
    """Return a JSON answer."""
    return answer(description, json_content(schema, example=example), *headers)


def error_answers(errors: Errors) -> dict[int, Json]:
    """Return the answers to errors, by the status of their kind."""
    by_status: dict[int, Errors] = {}
    for error, sentence in errors.items():
        by_status.setdefault(status_of(error), {})[error] = sentence
    return {status: error_answer(alike) for status, alike in by_status.items()}


def error_answer(errors: Errors) -> Json:
    """Return the answer to errors that share a status."""
    examples = {type(error).__name__: _body_of(error) for error in errors}
    headers = [
        each for kind, each in _HEADER_OF_KIND.items() if any(isinstance(e, kind) for e in errors)
    ]
    return answer(_any_of([*errors.values()]), json_content(ERROR, **examples), *headers)


def _body_of(error: FuncsvcError) -> Json:
    field_errors = error.field_errors if isinstance(error, InvalidParameter) else None
    body: Json = json.loads(error_body(error.message, field_errors))
    return body


def _any_of(sentences: Sequence[str]) -> str:
    """Return one sentence unchanged, and several as a list in CommonMark, as OpenAPI expects."""
    return sentences[0] if len(sentences) == 1 else "\n".join(f"- {one}" for one in sentences)


ERROR = named_schema(
    "Error",
    {
        "description": "The shape of every error.",
        **closed_object(
            "errors",
            message={
                "type": "string",
                "minLength": 1,
                "description": "One sentence that names the field, the value and the rule.",
            },
            errors={
                "type": "object",
                "description": "The wrong fields, each under its dotted path; of more than "
                f"{MAX_ERRORS}, the first.",
                "minProperties": 1,
                "maxProperties": MAX_ERRORS,
                "additionalProperties": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "minLength": 1},
                },
            },
        ),
    },
)

_REQUEST_ID = header(
    REQUEST_ID,
    {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    description="The id that the request was sent with, or a new one.",
)
_RETRY_AFTER = header(
    "Retry-After",
    {"type": "integer", "minimum": 0},
    description="How many seconds to wait before trying again.",
)
_HEADER_OF_KIND: Mapping[type[FuncsvcError], Component] = {
    Busy: _RETRY_AFTER,
    Limited: _RETRY_AFTER,
    Unauthorized: header(
        "WWW-Authenticate", {"type": "string"}, description="The ways to send an access key."
    ),
}
