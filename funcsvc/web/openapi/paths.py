"""The paths of the document, made from URL rules and the descriptions of their views."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from funcsvc.web.blueprints import VERSION_PREFIX
from funcsvc.web.openapi.answers import MANAGED, PATH_PARAMETERS, PUBLIC
from funcsvc.web.openapi.description import operation, operation_of
from funcsvc.web.openapi.parts import Json, error_answers, path_parameter

TAGS = {
    "funcs": "Functions.",
    "calls": "Calls. The UUID in their path is secret: it is the key.",
    "images": "Images, in the Docker Engine's own format.",
    "system": "The service itself.",
}
"""The groups of operations: the name of their blueprint, or what `_TAG_OF_BLUEPRINT` has."""

_TAG_OF_BLUEPRINT = {"logs": "calls", "health": "system", "docs": "system"}

_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
_WITH_BODY = ("POST", "PUT")
"""OpenAPI's tools expect no body with the other methods."""


class Undescribed(Exception):
    """Raised when a view, or a variable of its path, has no description."""


def make_paths(app: Flask) -> Json:
    """Return every path, without the version prefix. Raises Undescribed."""
    rules = [*app.url_map.iter_rules()]
    every_path = {rule.rule for rule in rules}
    paths: Json = {}
    for rule in rules:
        if not rule.rule.startswith(VERSION_PREFIX):
            is_managed = VERSION_PREFIX + rule.rule in every_path
            view = app.view_functions[rule.endpoint]
            operations = paths.setdefault(_VARIABLE.sub(r"{\1}", rule.rule), {})
            operations.update(_operations(rule, view, is_managed=is_managed))
    return paths


def _operations(
    rule: Rule, view: Callable[..., Any], *, is_managed: bool
) -> Iterator[tuple[str, Json]]:
    """Yield the operation of each method. If there are several, their ids have the method."""
    described = operation_of(view)
    if described is None:
        raise Undescribed(f"The view {rule.endpoint} has no @operation beside it.")
    shared = _shared_parts(rule, described, is_managed=is_managed)
    name = rule.endpoint.rpartition(".")[2]
    methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    for method in methods:
        has_body = described.body and method in _WITH_BODY
        yield (
            method.lower(),
            {
                "operationId": name if len(methods) == 1 else f"{name}_with_{method.lower()}",
                **shared,
                **({"requestBody": described.body} if has_body else {}),
            },
        )


def _shared_parts(rule: Rule, described: operation, *, is_managed: bool) -> Json:
    """Return what the operations of all methods of a rule have in common."""
    blueprint = rule.endpoint.rpartition(".")[0]
    optional = {
        "description": described.description,
        "parameters": [*_path_parameters(rule, described), *described.query],
    }
    return {
        "tags": [_TAG_OF_BLUEPRINT.get(blueprint, blueprint)],
        "summary": described.summary,
        **{key: value for key, value in optional.items() if value},
        **({} if is_managed else {"security": []}),
        "responses": _responses(described, is_managed=is_managed),
    }


def _path_parameters(rule: Rule, described: operation) -> Iterator[Json]:
    known = {**PATH_PARAMETERS, **described.path}
    for name in _VARIABLE.findall(rule.rule):
        if name not in known:
            raise Undescribed(f"The variable {name} of {rule.rule} has no description.")
        yield path_parameter(name, *known[name])


def _responses(described: operation, *, is_managed: bool) -> Json:
    of_all = MANAGED if is_managed else PUBLIC
    answers = {**of_all, **described.answers, **error_answers(described.errors)}
    return {str(int(status)): answers[status] for status in sorted(answers)}
