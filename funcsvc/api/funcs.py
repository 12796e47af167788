"""The management of funcs."""

from __future__ import annotations

import json

from flask import Blueprint, Response, request

from funcsvc.api.answers import DefinitionAnswer
from funcsvc.api.bodies import read_json_object
from funcsvc.engine import Engine
from funcsvc.schemas import FuncSchema
from funcsvc.schemas.func import func_document
from funcsvc.store import FuncStore


def make_blueprint(schema: FuncSchema, engine: Engine, store: FuncStore) -> Blueprint:
    """Return the blueprint of /funcs over its parts."""
    blueprint = Blueprint("funcs", __name__)

    @blueprint.post("/funcs/create")
    def create_func() -> Response:
        func = schema.load_new(read_json_object(request))
        engine.check_func(func)
        definition = json.dumps(func_document(func), ensure_ascii=False)
        store.create_func(func, definition)
        location = f"/funcs/{func.name}"
        return DefinitionAnswer(definition, status=201, headers={"Location": location})

    return blueprint
