"""The management of funcs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from flask import Blueprint, Response, request

from funcsvc.engine import WebEngine
from funcsvc.model import Policy
from funcsvc.model.errors import FuncNotFound, InvalidQuery
from funcsvc.schemas import (
    ChangesSchema,
    FuncSchema,
    Listing,
    func_text,
    load_listing,
    newest_first,
)
from funcsvc.store import FuncStore, Stores
from funcsvc.web.answers import Answer, ShortAnswer
from funcsvc.web.bodies import read_json_object
from funcsvc.web.call_addresses import check_call_id


def make_blueprint(policy: Policy, engine: WebEngine, stores: Stores) -> Blueprint:
    """Return the blueprint of /funcs over its parts."""
    blueprint = Blueprint("funcs", __name__)
    store = stores.funcs
    schema, changes_schema = FuncSchema(policy), ChangesSchema()

    @blueprint.post("/funcs/create")
    def create_func() -> Response:
        func = schema.load_new(read_json_object(request))
        engine.check_func(func)
        definition = func_text(func)
        store.create_func(func, definition)
        location = f"/funcs/{func.name}"
        return ShortAnswer(definition, status=201, headers={"Location": location})

    @blueprint.get("/funcs")
    def list_funcs() -> Response:
        listing = load_listing(request.args)
        return Answer(_json_list(_find_funcs(store, listing)))

    @blueprint.get("/funcs/<name>")
    def get_func(name: str) -> Response:
        return ShortAnswer(store.get_func(name))

    @blueprint.put("/funcs/<name>")
    def update_func(name: str) -> Response:
        changes = changes_schema.load_changes(read_json_object(request))
        if changes.size:
            engine.check_size(changes.size)
        return ShortAnswer(store.update_func(name, changes.apply_to))

    @blueprint.delete("/funcs/<name>")
    def delete_func(name: str) -> Response:
        store.delete_func(name)
        return Answer(status=204)

    @blueprint.get("/funcs/call/<call_id>")
    def get_func_of_call(call_id: str) -> Response:
        name = stores.calls.get_func_name(check_call_id(call_id))
        return ShortAnswer(store.get_func(name))

    return blueprint


def _find_funcs(store: FuncStore, listing: Listing) -> Iterator[str]:
    """Return the definitions that a listing asks for; the first page is read at once."""
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
"""How many definitions are in memory at once while many are listed."""


def _json_list(definitions: Iterator[str]) -> Iterator[str]:
    """Yield the JSON list of definitions, one at a time."""
    separator = "["
    for definition in definitions:
        yield separator + definition
        separator = ", "
    yield "[]" if separator == "[" else "]"
