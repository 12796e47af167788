"""The service's description of itself, OpenAPI 3.1: each view is described by a decorator."""

from funcsvc.web.openapi.description import operation
from funcsvc.web.openapi.document import make_document
from funcsvc.web.openapi.parts import (
    Errors,
    Json,
    answer,
    closed_object,
    error_answer,
    header,
    json_answer,
    json_body,
    json_content,
    named_schema,
    query,
)

__all__ = [
    "Errors",
    "Json",
    "answer",
    "closed_object",
    "error_answer",
    "header",
    "json_answer",
    "json_body",
    "json_content",
    "make_document",
    "named_schema",
    "operation",
    "query",
]
