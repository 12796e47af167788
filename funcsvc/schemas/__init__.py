"""JSON to models and back: every syntax rule of the contract is a field or a validator here."""

from funcsvc.schemas.func import FuncSchema
from funcsvc.schemas.json_body import parse_json_object

__all__ = ["FuncSchema", "parse_json_object"]
