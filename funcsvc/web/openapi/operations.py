"""Every operation that is served: its parameters, its body, and each status with its answer."""

from __future__ import annotations

from typing import Any

from funcsvc.model import REFERENCE_PATTERN, VERSION_PATTERN
from funcsvc.model.errors import FuncBusy
from funcsvc.schemas import MAX_LIMIT, matching, reference
from funcsvc.web.openapi import examples
from funcsvc.web.openapi.components import error_answer, headers

Json = dict[str, Any]

_SHARED = {
    400: "BadRequest",
    401: "Unauthorized",
    413: "TooLarge",
    414: "URITooLong",
    429: "TooManyAttempts",
    500: "ServerError",
    503: "Busy",
}
_MANAGED = (400, 401, 414, 429, 500)


def path_parameter(name: str, description: str, example: str) -> Json:
    """Return a parameter that is a part of the path, and is not empty."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


FUNC_NAME = path_parameter("name", "The function's name.", "helloworld")
CALL_ID = path_parameter("call_id", "The CallId of a call.", examples.CALL_ID)


def paths() -> Json:
    """Return every path without its version prefix."""
    return {
        "/funcs/create": {"post": _create_func()},
        "/funcs": {"get": _list_funcs()},
        "/funcs/{name}": {
            "parameters": [FUNC_NAME],
            "get": _get_func(),
            "put": _update_func(),
            "delete": _delete_func(),
        },
        "/funcs/call/{call_id}": {"get": _get_func_of_call()},
        "/images/{name}/json": {"get": _get_image()},
        "/images/create": {"post": _pull_image()},
        "/_ping": {"get": _ping()},
        "/version": {"get": _get_version()},
        "/healthz": {"get": _get_health()},
        "/readyz": {"get": _get_readiness()},
        "/openapi.json": {"get": _get_openapi()},
        "/docs": {"get": _get_docs()},
        "/docs/{asset}": {"get": _get_asset()},
    }


def answer(description: str, schema: Json, example: Any, *header_names: str) -> Json:
    """Return an answer in JSON."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": description, "headers": headers(*header_names), "content": content}


def operation(name: str, tag: str, summary: str, answers: dict[int, Json], **parts: Any) -> Json:
    """Return an operation; the answers that it shares with others are given as their statuses."""
    shared = parts.pop("shared", _MANAGED)
    given = answers | {
        status: {"$ref": f"#/components/responses/{_SHARED[status]}"} for status in shared
    }
    responses = {str(status): given[status] for status in sorted(given)}
    return {"operationId": name, "tags": [tag], "summary": summary, **parts, "responses": responses}


def _body(schema: str, **named: Json) -> Json:
    media = {
        "schema": reference(schema),
        "examples": {name: {"value": value} for name, value in named.items()},
    }
    return {"required": True, "content": {"application/json": media}}


def no_func() -> Json:
    return error_answer("There is no function of that name.", examples.FUNC_NOT_FOUND)


def _create_func() -> Json:
    return operation(
        "create_func",
        "funcs",
        "Define a function.",
        {
            201: answer("The definition.", reference("Func"), examples.FUNC, "Location"),
            409: error_answer("A function of that name exists.", examples.FUNC_EXISTS),
        },
        description=(
            "The image is looked up on the engine, and pulled where it is missing, unless the "
            "operator said never. Of several clients that create one name at the same moment "
            "exactly one gets 201."
        ),
        requestBody=_body("NewFunc", helloworld=examples.NEW_FUNC, full=examples.FULL_NEW_FUNC),
        shared=(*_MANAGED, 413, 503),
    )


def _list_funcs() -> Json:
    listed = {"type": "array", "items": reference("Func")}
    return operation(
        "list_funcs",
        "funcs",
        "List definitions, newest first.",
        {200: answer("The definitions.", listed, [examples.FUNC])},
        parameters=[
            {
                "name": "filters",
                "in": "query",
                "description": "JSON. One value of a key is enough, but every label must be there.",
                "content": {
                    "application/json": {
                        "schema": reference("Filters"),
                        "examples": {
                            "object": {"value": examples.FILTERS_OBJECT},
                            "list": {"value": examples.FILTERS_LIST},
                        },
                    }
                },
            },
            query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "At most."),
            query(
                "before",
                {"type": "string"},
                "Only functions older than the one of this name, which must be there; empty: all.",
            ),
        ],
    )


def query(name: str, schema: Json, description: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _get_func() -> Json:
    found = answer("The definition.", reference("Func"), examples.FUNC)
    return operation("get_func", "funcs", "Inspect a function.", {200: found, 404: no_func()})


def _update_func() -> Json:
    return operation(
        "update_func",
        "funcs",
        "Change a function.",
        {
            200: answer("The new definition.", reference("Func"), examples.FUNC),
            404: no_func(),
        },
        description=(
            "ContainerSize, Timeout, Config.Env (a list replaces it; absent or null leaves it) "
            "and, with `Refresh`, the UUID: the old call address is dead at once. A field that "
            "can't change is 400, except where the value equals today's or is empty."
        ),
        requestBody=_body("ChangedFunc", refresh=examples.CHANGES, clear_env=examples.CLEARED_ENV),
        shared=(*_MANAGED, 413),
    )


def _delete_func() -> Json:
    busy = {"message": FuncBusy("helloworld").message}
    return operation(
        "delete_func",
        "funcs",
        "Remove a function, with its calls, outputs and logs.",
        {
            204: {"description": "It is gone.", "headers": headers()},
            404: no_func(),
            409: error_answer("A call of it is pending or running.", busy),
        },
    )


def _get_func_of_call() -> Json:
    missing = error_answer("There is no such call.", examples.CALL_NOT_FOUND)
    return operation(
        "get_func_of_call",
        "funcs",
        "Inspect the function that a call belongs to.",
        {200: answer("The definition.", reference("Func"), examples.FUNC), 404: missing},
        parameters=[CALL_ID],
    )


def _no_image() -> Json:
    return error_answer("There is no such image.", examples.IMAGE_NOT_FOUND)


def _get_image() -> Json:
    example = {"Id": f"sha256:{'0' * 64}", "Config": {"Cmd": ["bash"]}}
    name = path_parameter("name", "A reference or an id; slashes stand as they are.", "ubuntu")
    return operation(
        "get_image",
        "images",
        "Inspect an image.",
        {200: answer("The image.", reference("Image"), example), 404: _no_image()},
        parameters=[name],
    )


def _pull_image() -> Json:
    progress = {
        "description": "The engine's own progress, one JSON object a line, streamed as it comes. "
        "A late failure stands in it, under `error`.",
        "headers": headers(),
        "content": {"application/json": {"example": examples.PROGRESS}},
    }
    return operation(
        "pull_image",
        "images",
        "Pull an image.",
        {200: progress, 404: _no_image()},
        parameters=[
            query(
                "fromImage",
                matching(REFERENCE_PATTERN),
                "An image reference.",
                required=True,
                example="ubuntu",
            ),
            query("tag", matching(VERSION_PATTERN), "A tag or a digest, in place of fromImage's."),
        ],
        shared=(*_MANAGED, 503),
    )


def _ping() -> Json:
    pong = {
        "description": "The service answers.",
        "headers": headers("API-Version"),
        "content": {"text/plain": {"schema": {"type": "string", "const": "OK"}, "example": "OK"}},
    }
    return operation("ping", "system", "Ping, as the Docker Engine answers it.", {200: pong})


def _get_version() -> Json:
    example = {
        "Platform": {"Name": "funcsvc"},
        "Version": "0.1.0",
        "ApiVersion": "1.23",
        "MinAPIVersion": "1.0",
        "Os": "linux",
        "Arch": "amd64",
        "KernelVersion": "6.1.0",
    }
    versions = answer("The versions.", reference("Version"), example)
    return operation(
        "get_version", "system", "Versions, as the Docker Engine answers them.", {200: versions}
    )


def _public(name: str, summary: str, answers: dict[int, Json], **parts: Any) -> Json:
    """Return an operation that needs no access key and has no version prefix."""
    return operation(name, "system", summary, answers, security=[], shared=(400,), **parts)


def _get_health() -> Json:
    alive = answer("The process lives.", reference("Status"), {"status": "alive"})
    return _public("get_health", "Does the process live?", {200: alive})


def _get_readiness() -> Json:
    ready = answer("Redis and the engine answer.", reference("Status"), {"status": "ready"})
    missing = {"message": "The Docker Engine can't be used: it doesn't answer."}
    return _public(
        "get_readiness",
        "Do Redis and the engine answer?",
        {200: ready, 503: error_answer("One of them doesn't; the message says which.", missing)},
    )


def _get_openapi() -> Json:
    described = answer("OpenAPI 3.1.", {"type": "object"}, {"openapi": "3.1.0"}, "ETag")
    return _public("get_openapi", "This description.", {200: described})


def _get_docs() -> Json:
    page = {
        "description": "A page that shows this description.",
        "headers": headers("ETag", "Cache-Control", "Content-Security-Policy"),
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
    return _public("get_docs", "This description, for people.", {200: page})


def _get_asset() -> Json:
    kinds = {"text/css": "swagger-ui.css", "text/javascript": "swagger-ui-bundle.js, start.js",
             "text/plain": "the licences"}  # fmt: skip
    asset = {
        "description": "Style, script or licence of the page.",
        "headers": headers("ETag", "Cache-Control"),
        "content": {kind: {"schema": {"type": "string"}} for kind in kinds},
    }
    missing = error_answer("There is nothing there.", {"message": "There is nothing at this path."})
    name = path_parameter("asset", "The name of a file.", "swagger-ui.css")
    return _public(
        "get_docs_asset", "What the page is made of.", {200: asset, 404: missing}, parameters=[name]
    )
