"""Turns JSON into models and back. Every syntax rule is a field or validator here."""

from funcsvc.schemas.call_queries import (
    FLAG_VALUES,
    TAIL_PATTERN,
    LogQuery,
    load_flag,
    load_log_query,
)
from funcsvc.schemas.calls import (
    FuncStatusSchema,
    NewCallSchema,
    UnendedCallSchema,
    counts_text,
    event_line,
    new_call_text,
    status_pieces,
    unended_call_text,
)
from funcsvc.schemas.changes import CHANGEABLE, EMPTY, ChangesSchema
from funcsvc.schemas.func import (
    MAX_STORED_BYTES,
    FuncSchema,
    check_length,
    check_rules,
    func_document,
    func_text,
    load_func,
)
from funcsvc.schemas.image_queries import (
    IMAGE_FILTERS,
    ImageRemoval,
    load_image_listing,
    load_image_removal,
)
from funcsvc.schemas.json_body import MAX_DEFINITION_BYTES, parse_json_object
from funcsvc.schemas.json_schema import (
    answer_schema,
    answer_schemas,
    change_schemas,
    matching,
    reference,
    request_schemas,
)
from funcsvc.schemas.listing import (
    FILTERS_JSON_SCHEMA,
    MAX_LIMIT,
    Listing,
    filters_json_schema,
    load_listing,
    newest_first,
)
from funcsvc.schemas.registry_credentials import (
    AUTH_HEADER,
    AUTH_PATTERN,
    CREDENTIALS_JSON_SCHEMA,
    load_auth_header,
    load_credentials,
)

__all__ = [
    "AUTH_HEADER",
    "AUTH_PATTERN",
    "CHANGEABLE",
    "CREDENTIALS_JSON_SCHEMA",
    "EMPTY",
    "FILTERS_JSON_SCHEMA",
    "FLAG_VALUES",
    "IMAGE_FILTERS",
    "MAX_DEFINITION_BYTES",
    "MAX_LIMIT",
    "MAX_STORED_BYTES",
    "TAIL_PATTERN",
    "ChangesSchema",
    "FuncSchema",
    "FuncStatusSchema",
    "ImageRemoval",
    "Listing",
    "LogQuery",
    "NewCallSchema",
    "UnendedCallSchema",
    "answer_schema",
    "answer_schemas",
    "change_schemas",
    "check_length",
    "check_rules",
    "counts_text",
    "event_line",
    "filters_json_schema",
    "func_document",
    "func_text",
    "load_auth_header",
    "load_credentials",
    "load_flag",
    "load_func",
    "load_image_listing",
    "load_image_removal",
    "load_listing",
    "load_log_query",
    "matching",
    "new_call_text",
    "newest_first",
    "parse_json_object",
    "reference",
    "request_schemas",
    "status_pieces",
    "unended_call_text",
]
