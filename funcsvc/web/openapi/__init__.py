"""The OpenAPI 3.1 description of the service, made from the decorators of its views."""

from funcsvc.web.openapi.description import operation
from funcsvc.web.openapi.document import make_document
from funcsvc.web.openapi.parts import (
    Errors,
    Json,
    answer,
    error_answer,
    flag_query,
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
    "error_answer",
    "flag_query",
    "header",
    "json_answer",
    "json_body",
    "json_content",
    "make_document",
    "named_schema",
    "operation",
    "query",
]
