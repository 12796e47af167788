"""The OpenAPI document matches the routes, the schemas and the contract's examples."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow.fields import Nested
from openapi_spec_validator import OpenAPIV31SpecValidator

from funcsvc.schemas import ChangesSchema, FuncSchema, parse_json_object
from funcsvc.web.http_status import STATUS_OF_KIND
from tests.api.conftest import make_client
from tests.api.openapi import component, validator
from tests.fakes import FakeEngine, FakeFuncStore

METHODS = ("get", "put", "post", "delete")
CALLED = {
    "/call/{name}/{uuid}", "/call/{name}/{uuid}/sync", "/output/{name}/{uuid}/{call_id}",
    "/output/{name}/{uuid}/{call_id}/wait", "/status/{name}/{uuid}", "/logs/{name}/{uuid}",
}  # fmt: skip
PUBLIC = {"/healthz", "/readyz", "/openapi.json", "/docs", "/docs/{asset}", *CALLED}
KEY = {"FUNCSVC_ACCESS_KEYS": "key:secret"}


def operations(document: dict[str, Any]):
    """Yield each operation with its path and method."""
    for path, item in document["paths"].items():
        for method in item.keys() & set(METHODS):
            yield path, method, item[method]


def resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference points to."""
    while "$ref" in part:
        found: Any = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = found
    return part


def examples_of(content: dict[str, Any]) -> list[Any]:
    named = [example["value"] for example in content.get("examples", {}).values()]
    return named + ([content["example"]] if "example" in content else [])


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_document_has_every_route_and_no_other(app: Flask, document: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith("/v<")
    }
    assert {(path, method) for path, method, _ in operations(document)} == served


def test_every_versioned_route_is_a_documented_one(app: Flask, document: dict[str, Any]) -> None:
    prefix = "/v<int:major>.<int:minor>"
    versioned = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(prefix))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(prefix)
    }
    assert versioned == document["paths"].keys() - PUBLIC


def test_operations_are_named_for_their_views(app: Flask, document: dict[str, Any]) -> None:
    """If a view has several methods, each operation is also named for its method."""
    views = set()
    for rule in app.url_map.iter_rules():
        view, methods = rule.endpoint.rpartition(".")[2], rule.methods - {"HEAD", "OPTIONS"}
        several = {f"{view}_with_{method.lower()}" for method in methods}
        views |= several if len(several) > 1 else {view}
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert sorted(names) == sorted(views)


def test_every_status_of_an_error_is_documented(document: dict[str, Any]) -> None:
    documented = {
        status for _, _, operation in operations(document) for status in operation["responses"]
    }
    assert {str(int(status)) for status in STATUS_OF_KIND.values()} <= documented


def test_every_error_has_the_one_shape(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, given in operation["responses"].items():
            answer = resolve(document, given)
            has_id = "X-Request-Id" in answer.get("headers", {})
            assert has_id == (status != "414"), (path, method, status)  # 414 has no id yet
            if int(status) >= 400:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (path, method, status)


def test_managed_operations_tell_of_access_keys_and_public_ones_need_none(
    document: dict[str, Any],
) -> None:
    for path, _, operation in operations(document):
        assert ({"401", "429"} <= operation["responses"].keys()) == (path not in PUBLIC)
        assert operation.get("security") == ([] if path in PUBLIC else None)


def test_document_asks_for_keys_only_where_they_are_configured(
    document: dict[str, Any], store: FakeFuncStore, engine: FakeEngine
) -> None:
    assert "security" not in document
    answer = make_client(store, engine, **KEY).get("/openapi.json")
    assert answer.status_code == 200
    assert answer.get_json()["security"] == [{"basic": []}, {"signature": []}]
    assert document["components"]["securitySchemes"].keys() == {"basic", "signature"}


@pytest.mark.parametrize("name", ["NewFunc", "ChangedFunc", "Func"])
def test_components_have_every_field_of_the_schemas(document: dict[str, Any], name: str) -> None:
    schema = ChangesSchema() if name == "ChangedFunc" else FuncSchema()
    prefix = name.removesuffix("Func")
    components = document["components"]["schemas"]
    assert [*components[name]["properties"]] == [field.data_key for field in schema.fields.values()]
    for field in schema.fields.values():
        if isinstance(field, Nested):
            below = components[prefix + field.data_key]["properties"]
            assert [*below] == [inner.data_key for inner in field.schema.fields.values()]


def test_no_component_is_left_over(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for kind in ("schemas", "responses", "headers"):
        for name in document["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text


def test_every_example_matches_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for _, _, operation in operations(document):
        answers = [resolve(document, answer) for answer in operation["responses"].values()]
        for part in [operation.get("requestBody", {}), *operation.get("parameters", []), *answers]:
            for content in part.get("content", {}).values():
                for example in examples_of(content):
                    validator(document, content.get("schema", {})).validate(example)
                    checked += 1
    assert checked > 50


def bodies(document: dict[str, Any], path: str, method: str) -> list[Any]:
    operation = document["paths"][path][method]
    return examples_of(operation["requestBody"]["content"]["application/json"])


def test_every_example_of_a_new_func_is_accepted(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    examples = bodies(document, "/funcs/create", "post")
    assert len(examples) == 2
    for example in examples:
        answer = client.post("/funcs/create", json=example)
        assert answer.status_code == 201, answer.get_json()
        component(document, "Func").validate(answer.get_json())


def test_every_example_of_a_change_is_accepted(document: dict[str, Any]) -> None:
    examples = bodies(document, "/funcs/{name}", "put")
    assert len(examples) == 2
    found = document["paths"]["/funcs/{name}"]["get"]["responses"]["200"]
    stored = json.dumps(found["content"]["application/json"]["example"])
    for example in examples:
        body = parse_json_object(json.dumps(example).encode())
        changed = json.loads(ChangesSchema().load_changes(body, stored).apply_to(stored))
        component(document, "Func").validate(changed)


def test_contracts_example_answer_is_what_its_request_gets(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    operation = document["paths"]["/funcs/create"]["post"]
    answer = client.post("/funcs/create", json=bodies(document, "/funcs/create", "post")[0])
    example = operation["responses"]["201"]["content"]["application/json"]["example"]
    given = {key: answer.get_json()[key] for key in ("UUID", "Created")}
    assert [*answer.get_json().items()] == [*(example | given).items()]


def test_defaults_are_what_an_answer_has(client: FlaskClient, document: dict[str, Any]) -> None:
    answer = client.post("/funcs/create", json={"Name": "least", "Config": {"Image": "ubuntu"}})
    schemas = document["components"]["schemas"]
    for name, made in (
        ("NewFunc", answer.get_json()),
        ("NewConfig", answer.get_json()["Config"]),
        ("NewHostConfig", answer.get_json()["HostConfig"]),
    ):
        properties = schemas[name]["properties"]
        defaults = {key: rule["default"] for key, rule in properties.items() if "default" in rule}
        assert defaults == {key: made[key] for key in defaults}
        left = {key for key in made if key in properties} - defaults.keys()
        assert left <= {
            "Name",
            "UUID",
            "Created",
            "Config",
            "HostConfig",
            "NetworkingConfig",
            "Image",
        }
