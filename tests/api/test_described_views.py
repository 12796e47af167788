"""Views with a missing or duplicate OpenAPI description are detected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from funcsvc.web.openapi import answer, json_answer, make_document, named_schema, operation
from funcsvc.web.openapi.description import operation_of
from funcsvc.web.openapi.document import NameTaken
from funcsvc.web.openapi.paths import Undescribed
from tests.api.conftest import make_client
from tests.fakes import FakeEngine, FakeFuncStore

MORE = operation("More.", answers={200: answer("More.")})


def make_app(path: str, view: Callable[..., str]) -> Flask:
    """Return the application with an additional view."""
    app = make_client(FakeFuncStore(), FakeEngine()).application
    app.add_url_rule(path, "system.get_more", view)
    return app


def test_every_view_has_its_description_beside_it(app: Flask) -> None:
    views = app.view_functions.items()
    assert [endpoint for endpoint, view in views if operation_of(view) is None] == []


def test_view_without_a_description_is_found() -> None:
    app = make_app("/more", lambda: "")
    with pytest.raises(Undescribed, match=r"^The view system\.get_more has no @operation"):
        make_document(app, needs_keys=False)


def test_variable_without_a_description_is_found() -> None:
    app = make_app("/more/<int:more>", MORE(lambda more: ""))
    with pytest.raises(Undescribed, match=r"^The variable more of /more/<int:more> has no desc"):
        make_document(app, needs_keys=False)


def test_two_objects_of_one_name_are_found() -> None:
    mine = json_answer("More.", named_schema("Func", {"type": "string"}), "more")
    app = make_app("/more", operation("More.", answers={200: mine})(lambda: ""))
    with pytest.raises(NameTaken, match=r"^Two schemas are named Func\.$"):
        make_document(app, needs_keys=False)


def test_view_is_described_by_its_rule_and_its_decorator() -> None:
    document = make_document(make_app("/more", MORE(lambda: "")), needs_keys=False)
    described = document["paths"]["/more"]["get"]
    assert {key: described[key] for key in ("operationId", "tags", "summary", "security")} == {
        "operationId": "get_more",
        "tags": ["system"],
        "summary": "More.",
        "security": [],
    }
    assert [*described["responses"]] == ["200", "400", "414", "503"]


def test_answer_of_a_view_replaces_one_that_all_have() -> None:
    own = operation("More.", answers={200: answer("More."), 400: answer("Never.")})
    document = make_document(make_app("/more", own(lambda: "")), needs_keys=False)
    assert document["paths"]["/more"]["get"]["responses"]["400"] == answer("Never.")


def test_description_leaves_the_view_as_it_is() -> None:
    def view() -> str:
        return "more"

    assert MORE(view) is view


def test_every_tag_is_explained(document: dict[str, Any]) -> None:
    used = {
        tag
        for item in document["paths"].values()
        for described in item.values()
        for tag in described["tags"]
    }
    assert used == {tag["name"] for tag in document["tags"]}
