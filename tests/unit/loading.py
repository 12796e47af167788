"""Definitions for the unit tests: the smallest one, with one thing changed."""

from __future__ import annotations

from typing import Any

import pytest

from funcsvc.model import Func, Policy
from funcsvc.model.errors import InvalidDefinition
from funcsvc.schemas import FuncSchema, func_document


def definition(
    config: dict[str, Any] | None = None,
    host_config: dict[str, Any] | None = None,
    **top: Any,
) -> dict[str, Any]:
    """Return the smallest definition, with these options added to its sections."""
    document = {"Name": "f", "Config": {"Image": "ubuntu", **(config or {})}, **top}
    if host_config is not None:
        document["HostConfig"] = host_config
    return document


def with_option(path: str, value: Any) -> dict[str, Any]:
    """Return the smallest definition with the option at a dotted path set to a value."""
    section, dot, option = path.partition(".")
    if not dot:
        return {**definition(), section: value}
    document = definition()
    document[section] = {**document.get(section, {}), option: value}
    return document


def load(document: dict[str, Any], policy: Policy | None = None) -> Func:
    """Return the func that a definition defines."""
    return FuncSchema(policy).load_new(document)


def answer(document: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a create of the definition."""
    return func_document(load(document))


def errors_of(document: dict[str, Any], policy: Policy | None = None) -> dict[str, list[str]]:
    """Return each wrong field of a definition with its sentences."""
    with pytest.raises(InvalidDefinition) as caught:
        load(document, policy)
    return dict(caught.value.field_errors)
