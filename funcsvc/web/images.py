"""Inspecting and pulling images, answered in the engine's own words."""

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
from funcsvc.model.errors import ImageMissing, InvalidDefinition, InvalidQuery, UnknownOption
from funcsvc.schemas import matching
from funcsvc.web.answers import Answer
from funcsvc.web.openapi import (
    Errors,
    answer,
    json_answer,
    named_schema,
    operation,
    query,
)
from funcsvc.web.openapi.answers import PULLS_ARE_BUSY

_OPTIONS = ("fromImage", "tag")


def make_blueprint(policy: Policy, engine: WebEngine) -> Blueprint:
    """Return the blueprint of /images."""
    blueprint = Blueprint("images", __name__)

    @blueprint.get("/images/<path:name>/json")
    @operation(
        "Inspect an image.",
        path={"name": ("A reference or an id. Slashes are not escaped.", "ubuntu")},
        answers={200: _IMAGE},
        errors=_NO_IMAGE,
    )
    def get_image(name: str) -> Response:
        return Answer(json.dumps(engine.inspect_image(name)))

    @blueprint.post("/images/create")
    @operation(
        "Pull an image.",
        query=[_FROM_IMAGE, _TAG],
        answers={200: _PROGRESS},
        errors=_NO_IMAGE | PULLS_ARE_BUSY,
    )
    def pull_image() -> Response:
        progress = engine.pull_progress(_reference(policy))
        first = next(progress, b"")  # so that an error can still be answered as one
        response = Answer(itertools.chain([first], progress))
        response.call_on_close(progress.close)
        return response

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
    {"Id": f"sha256:{'0' * 64}", "Config": {"Cmd": ["bash"]}},
)
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
_NO_IMAGE: Errors = {ImageMissing("ubuntu"): "There is no such image."}
_FROM_IMAGE = query(
    "fromImage",
    matching(REFERENCE_PATTERN),
    "An image reference.",
    required=True,
    example="ubuntu",
)
_TAG = query("tag", matching(VERSION_PATTERN), "A tag or a digest, instead of fromImage's.")
