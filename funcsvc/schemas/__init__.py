"""JSON to models and back: every syntax rule of the contract is a field or a validator here."""

from funcsvc.schemas.call_queries import LogQuery, load_flag, load_log_query
from funcsvc.schemas.calls import call_document, counts_document, event_line
from funcsvc.schemas.changes import Changes, ChangesSchema
from funcsvc.schemas.func import FuncSchema, func_text
from funcsvc.schemas.json_body import MAX_DEFINITION_BYTES, parse_json_object
from funcsvc.schemas.listing import Listing, load_listing, newest_first

__all__ = [
    "MAX_DEFINITION_BYTES",
    "Changes",
    "ChangesSchema",
    "FuncSchema",
    "Listing",
    "LogQuery",
    "call_document",
    "counts_document",
    "event_line",
    "func_text",
    "load_flag",
    "load_listing",
    "load_log_query",
    "newest_first",
    "parse_json_object",
]
