"""Listing, inspecting, pulling and removing images, and logins, in the engine's own words."""

from __future__ import annotations

import itertools
import json

from flask import Blueprint, Response, request

from funcsvc.engine import WebEngine
from funcsvc.model import (
    REFERENCE_PATTERN,
    VERSION_PATTERN,
    ImageReference,
    InvalidReference,
    Policy,
    parse_image_reference,
)
from funcsvc.model.errors import (
    ImageInUse,
    ImageMissing,
    InvalidDefinition,
    InvalidQuery,
    LoginRefused,
    NotInRegistry,
    RegistryNotReached,
    RemovalForbidden,
    TooManyWaits,
    UnknownOption,
)
from funcsvc.schemas import (
    AUTH_HEADER,
    AUTH_PATTERN,
    CREDENTIALS_JSON_SCHEMA,
    IMAGE_FILTERS,
    filters_json_schema,
    load_auth_header,
    load_credentials,
    load_image_listing,
    load_image_removal,
    matching,
)
from funcsvc.web.answers import Answer
from funcsvc.web.bodies import read_json_object
from funcsvc.web.clients import ClientConnection
from funcsvc.web.image_removal import ImageRemover
from funcsvc.web.openapi import (
    Errors,
    answer,
    flag_query,
    json_answer,
    json_body,
    json_content,
    named_schema,
    operation,
    query,
)
from funcsvc.web.openapi.answers import PULLS_ARE_BUSY, TOO_LARGE
from funcsvc.web.shown_images import ShownImages

_OPTIONS = ("fromImage", "tag")


def make_blueprint(policy: Policy, engine: WebEngine, remover: ImageRemover) -> Blueprint:
    """Return the blueprint of /images and /auth."""
    blueprint = Blueprint("images", __name__)
    shown = ShownImages(policy)

    @blueprint.get("/images/json")
    @operation(
        "List images.",
        description="Images and names that the operator's allow-list hides are left out.",
        query=[_FILTERS, _ALL],
        answers={200: _IMAGES},
    )
    def list_images() -> Response:
        listing = load_image_listing(request.args)
        found = engine.list_images(listing.filters, include_all=listing.include_all)
        return Answer(json.dumps([*shown.list(found)]))

    @blueprint.get("/images/<path:name>/json")
    @operation("Inspect an image.", path=_NAME, answers={200: _IMAGE}, errors=_NO_IMAGE)
    def get_image(name: str) -> Response:
        return Answer(json.dumps(shown.get(name, engine.inspect_image(name))))

    @blueprint.delete("/images/<path:name>")
    @operation(
        "Remove an image.",
        description=_WHAT_CAN_BE_REMOVED,
        path=_NAME,
        query=[_FORCE, _NOPRUNE],
        answers={200: _REMOVED},
        errors=_NO_IMAGE | _NOT_REMOVED,
    )
    def remove_image(name: str) -> Response:
        return Answer(json.dumps(remover.remove(name, load_image_removal(request.args))))

    @blueprint.post("/images/create")
    @operation(
        "Pull an image.",
        description=_WHOSE_CREDENTIALS,
        query=[_FROM_IMAGE, _TAG, _AUTH],
        answers={200: _PROGRESS},
        errors=_NOT_IN_REGISTRY | PULLS_ARE_BUSY,
    )
    def pull_image() -> Response:
        credentials = load_auth_header(request.headers.get(AUTH_HEADER, ""))
        progress = engine.pull_progress(_reference(policy), credentials)
        first = next(progress, b"")  # so that an error can still be answered as one
        ClientConnection(request.environ).use_place()  # of a pull, until the progress is closed
        response = Answer(itertools.chain([first], progress))
        response.call_on_close(progress.close)
        return response

    @blueprint.post("/auth")
    @operation(
        "Check registry credentials.",
        description="The engine asks the registry. Nothing is stored.",
        body=json_body(_CREDENTIALS, login=_LOGIN),
        answers={200: _LOGGED_IN},
        errors=_LOGIN_REFUSED | TOO_LARGE,
    )
    def check_login() -> Response:
        return Answer(json.dumps(engine.check_login(load_credentials(read_json_object(request)))))

    return blueprint


def _reference(policy: Policy) -> ImageReference:
    """Return the image to pull. Raises InvalidQuery, UnknownOption and InvalidDefinition."""
    for option in request.args:
        if option not in _OPTIONS:
            raise UnknownOption(option, _OPTIONS)
    reference = _parse("fromImage", request.args.get("fromImage", ""), "an image reference")
    tag = request.args.get("tag")
    if tag:  # it replaces the tag in fromImage, as at the engine
        separator = "@" if ":" in tag else ":"
        reference = _parse("tag", tag, "a tag or a digest", reference.familiar_name + separator)
    for _, message in policy.broken_by_image(reference):
        raise InvalidDefinition({"fromImage": [f"fromImage {message}"]})
    return reference


def _parse(option: str, value: str, rule: str, before: str = "") -> ImageReference:
    try:
        return parse_image_reference(before + value)
    except InvalidReference as error:
        raise InvalidQuery(option, value, f"{rule}, and {error}") from None


_ID = f"sha256:{'0' * 64}"
_NAMES = {"type": ["array", "null"], "items": {"type": "string"}}
_IMAGE = json_answer(
    "The image.",
    named_schema(
        "Image",
        {
            "type": "object",
            "description": "The Docker Engine's description of an image.",
            "properties": {"Id": {"type": "string"}, "Config": {"type": ["object", "null"]}},
            "required": ["Id"],
            "additionalProperties": True,
        },
    ),
    {"Id": _ID, "Config": {"Cmd": ["bash"]}},
)
_LISTED_IMAGE = named_schema(
    "ListedImage",
    {
        "type": "object",
        "description": "An image in the Docker Engine's list.",
        "properties": {"Id": {"type": "string"}, "RepoTags": _NAMES, "RepoDigests": _NAMES},
        "required": ["Id"],
        "additionalProperties": True,
    },
)
_IMAGES = json_answer(
    "The images.",
    {"type": "array", "items": _LISTED_IMAGE},
    [{"Id": _ID, "RepoTags": ["ubuntu:latest"], "RepoDigests": [f"ubuntu@{_ID}"]}],
)
_REMOVED = json_answer(
    "What was removed: each an object with `Untagged` or `Deleted`.",
    {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
    [{"Untagged": "ubuntu:latest"}, {"Deleted": _ID}],
)
_LOGGED_IN = json_answer(
    "The registry accepts the credentials.",
    named_schema(
        "LoggedIn",
        {
            "type": "object",
            "properties": {"Status": {"type": "string"}, "IdentityToken": {"type": "string"}},
            "required": ["Status"],
            "additionalProperties": True,
        },
    ),
    {"Status": "Login Succeeded", "IdentityToken": ""},
)
_CREDENTIALS = named_schema("Credentials", CREDENTIALS_JSON_SCHEMA)
_LOGIN = {"username": "me", "password": "secret", "serveraddress": "registry.example.com:5000"}
_PROGRESS = answer(
    "The engine's progress, one JSON object per line, streamed as it comes. A failure after the "
    "first line is an object with `error`.",
    {
        "application/json": {
            "example": '{"status":"Pulling from library/ubuntu","id":"latest"}\r\n'
            '{"status":"Pull complete"}\r\n'
        }
    },
)
_NO_IMAGE: Errors = {ImageMissing("ubuntu"): "There is no such image, or it is hidden."}
_NOT_IN_REGISTRY: Errors = {NotInRegistry("ubuntu"): "The registry has no such image."}
_NOT_REMOVED: Errors = {
    RemovalForbidden(): "The operator forbids the removal of images.",
    ImageInUse("ubuntu", 'the function "helloworld" is defined with it'): "A function is defined "
    "with the image, or the engine refuses to remove it.",
}
_LOGIN_REFUSED: Errors = {
    LoginRefused("registry.example.com:5000"): "The registry doesn't accept the credentials; or "
    "access keys are configured, and the request has no valid one.",
    RegistryNotReached(
        "registry.example.com:5000", "it can't be reached, or failed"
    ): "The registry or the engine can't be used.",
    TooManyWaits("wait for registries", 4): "The limit on requests that wait for registries is "
    "reached.",
}
_NAME = {"name": ("A reference or an id. Slashes are not escaped.", "ubuntu")}
_FILTERS = {
    "name": "filters",
    "in": "query",
    "description": "Filters of the Docker Engine, as a JSON object.",
    "content": json_content(
        named_schema("ImageFilters", filters_json_schema(IMAGE_FILTERS)),
        dangling={"dangling": ["true"]},
        label={"label": {"team=images": True}},
    ),
}
_ALL = flag_query("all", "Whether to list intermediate images too.")
_FORCE = flag_query("force", "Whether to remove an image with several names, or that is in use.")
_NOPRUNE = flag_query("noprune", "Whether to keep parents that have no names.")
_AUTH = {
    "name": AUTH_HEADER,
    "in": "header",
    "description": "Registry credentials, as base64url of a JSON object such as /auth takes.",
    "schema": matching(AUTH_PATTERN),
    "example": "eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJzZWNyZXQifQ==",
}
_WHAT_CAN_BE_REMOVED = (
    "An image with which a function is defined stays, by whichever of its names it is called here; "
    "so does one that an id names and that also has hidden names."
)
_WHOSE_CREDENTIALS = (
    "X-Registry-Auth goes to the engine instead of the operator's credentials, and only with this "
    "request."
)
_FROM_IMAGE = query(
    "fromImage",
    matching(REFERENCE_PATTERN),
    "An image reference.",
    required=True,
    example="ubuntu",
)
_TAG = query("tag", matching(VERSION_PATTERN), "A tag or a digest, instead of fromImage's.")
