"""The views that manage funcs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from flask import Blueprint, Response, request

from funcsvc.engine import WebEngine
from funcsvc.model import Policy
from funcsvc.model.errors import (
    FuncBeingRemoved,
    FuncBusy,
    FuncExists,
    FuncNotFound,
    InvalidQuery,
)
from funcsvc.schemas import (
    FILTERS_JSON_SCHEMA,
    FLAG_VALUES,
    MAX_LIMIT,
    ChangesSchema,
    FuncSchema,
    Listing,
    check_length,
    func_text,
    load_flag,
    load_func,
    load_listing,
    newest_first,
    reference,
)
from funcsvc.store import FuncStore, Stores
from funcsvc.web.answers import Answer, ShortAnswer
from funcsvc.web.bodies import read_json_object
from funcsvc.web.call_addresses import check_call_id
from funcsvc.web.clients import ClientConnection
from funcsvc.web.openapi import (
    Errors,
    answer,
    header,
    json_answer,
    json_body,
    json_content,
    named_schema,
    operation,
    query,
)
from funcsvc.web.openapi.answers import NO_CALL, NO_FUNC, PULLS_ARE_BUSY, TOO_LARGE
from funcsvc.web.openapi.examples import CHANGES, CLEARED_ENV, FULL_NEW_FUNC, FUNC, NEW_FUNC
from funcsvc.web.streaming import joined, streamed_in_place


def make_blueprint(policy: Policy, engine: WebEngine, stores: Stores) -> Blueprint:
    """Return the blueprint of /funcs."""
    blueprint = Blueprint("funcs", __name__)
    store = stores.funcs
    schema, changes_schema = FuncSchema(policy), ChangesSchema()

    @blueprint.post("/funcs/create")
    @operation(
        "Define a function.",
        description=_HOW_IT_IS_CREATED,
        body=json_body(reference("NewFunc"), helloworld=NEW_FUNC, full=FULL_NEW_FUNC),
        answers={201: json_answer("The definition.", reference("Func"), FUNC, _LOCATION)},
        errors=_NAME_IS_TAKEN | TOO_LARGE | PULLS_ARE_BUSY,
    )
    def create_func() -> Response:
        func = schema.load_new(read_json_object(request))
        definition = func_text(func)
        check_length(definition)
        image = engine.check_func(func)
        store.create_func(func, definition, image.id)
        location = f"/funcs/{func.name}"
        return ShortAnswer(definition, status=201, headers={"Location": location})

    @blueprint.get("/funcs")
    @operation(
        "List definitions, newest first.",
        query=[_FILTERS, _LIMIT, _BEFORE],
        answers={200: json_answer("The definitions.", _FUNCS, [FUNC])},
    )
    def list_funcs() -> Response:
        listing = load_listing(request.args)
        pieces = joined(piece.encode() for piece in _json_list(_find_funcs(store, listing)))
        return Answer(streamed_in_place(pieces, ClientConnection(request.environ)))

    @blueprint.get("/funcs/<name>")
    @operation("Inspect a function.", answers={200: _FUNC}, errors=NO_FUNC)
    def get_func(name: str) -> Response:
        return ShortAnswer(store.get_func(name))

    @blueprint.put("/funcs/<name>")
    @operation(
        "Change a function.",
        description=_WHAT_CAN_CHANGE,
        body=json_body(reference("ChangedFunc"), refresh=CHANGES, clear_env=CLEARED_ENV),
        answers={200: json_answer("The new definition.", reference("Func"), FUNC)},
        errors=NO_FUNC | TOO_LARGE,
    )
    def update_func(name: str) -> Response:
        document, definition = read_json_object(request), store.get_func(name)
        changes = changes_schema.load_changes(document, definition)
        before, after = load_func(definition), load_func(changes.apply_to(definition))
        if after.size != before.size:
            engine.check_size(after.size)
        if after.config.env != before.config.env:
            engine.check_environment(after)
        return ShortAnswer(store.update_func(name, changes.apply_to))

    @blueprint.delete("/funcs/<name>")
    @operation(
        "Remove a function, with its calls, outputs and logs.",
        description=_WHAT_FORCE_DOES,
        query=[_FORCE],
        answers={204: answer("It was removed.")},
        errors=NO_FUNC | _HAS_CALLS,
    )
    def delete_func(name: str) -> Response:
        store.delete_func(name, force=load_flag(request.args, "force"))
        return Answer(status=204)

    @blueprint.get("/funcs/call/<call_id>")
    @operation("Inspect the function that a call belongs to.", answers={200: _FUNC}, errors=NO_CALL)
    def get_func_of_call(call_id: str) -> Response:
        name = stores.calls.get_func_name(check_call_id(call_id))
        return ShortAnswer(store.get_func(name))

    return blueprint


def _find_funcs(store: FuncStore, listing: Listing) -> Iterator[str]:
    """Return the definitions that a listing asks for. The first page is read immediately."""
    pages = _pages(store, listing)
    first = next(pages, [])
    found = filter(listing.has, itertools.chain(first, itertools.chain.from_iterable(pages)))
    return itertools.islice(found, listing.limit)


def _pages(store: FuncStore, listing: Listing) -> Iterator[list[str]]:
    if listing.names is not None and listing.before is None:
        return iter([newest_first(store.get_funcs(listing.names))])
    page_funcs = listing.limit if listing.limit and not listing.filters else LIST_PAGE_FUNCS
    try:
        return store.list_funcs(listing.before, min(page_funcs, LIST_PAGE_FUNCS))
    except FuncNotFound as error:
        raise InvalidQuery("before", listing.before, "the name of a function") from error


LIST_PAGE_FUNCS = 500
"""At most this many definitions are in memory while a list is answered."""


def _json_list(definitions: Iterator[str]) -> Iterator[str]:
    """Yield the JSON list of definitions, one at a time."""
    separator = "["
    for definition in definitions:
        yield separator + definition
        separator = ", "
    yield "[]" if separator == "[" else "]"


_FUNC = json_answer("The definition.", reference("Func"), FUNC)
_FUNCS = {"type": "array", "items": reference("Func")}
_LOCATION = header(
    "Location",
    {"type": "string", "pattern": "^/funcs/[-a-z0-9]+$"},
    description="The path of the new function.",
)
_NAME_IS_TAKEN: Errors = {
    FuncExists("helloworld"): "A function of that name already exists.",
    FuncBeingRemoved("helloworld"): "The calls of a removed function of that name are going.",
}
_HAS_CALLS: Errors = {FuncBusy("helloworld"): "A call of the function is pending or running."}

_FILTERS = {
    "name": "filters",
    "in": "query",
    "description": "A JSON object. A function must match one value of each key, but every label.",
    "content": json_content(
        named_schema("Filters", FILTERS_JSON_SCHEMA),
        object={"name": {"helloworld": True}},
        list={"name": ["helloworld"], "label": ["team", "team=images"]},
    ),
}
_FORCE = query(
    "force",
    {"type": "string", "enum": list(FLAG_VALUES)},
    "Also remove a function that has pending or running calls.",
)
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "List at most N.")
_BEFORE = query(
    "before",
    {"type": "string"},
    "List only functions older than the one of this name, which must exist. Empty lists all.",
)

_HOW_IT_IS_CREATED = (
    "The image is looked up on the engine, and pulled if it is missing, unless the operator has "
    "turned pulls off. If several clients create the same name at once, exactly one gets 201."
)
_WHAT_FORCE_DOES = (
    "With `force=1`, pending calls never run, running ones are killed, and requests that wait for "
    "them get 410."
)
_WHAT_CAN_CHANGE = (
    "ContainerSize, Timeout and Config.Env can be changed. A list replaces Config.Env; absent or "
    "null leaves it as it is. `Refresh` replaces the UUID, and the old call address stops working "
    "at once. Any other field gets 400, unless its value is empty or equals the current one."
)
