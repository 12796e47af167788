"""Images, as the engine itself speaks of them: clients look before they create."""

from __future__ import annotations

import itertools
import json

from flask import Blueprint, Response, request

from funcsvc.engine import WebEngine
from funcsvc.model import ImageReference, InvalidReference, Policy, parse_image_reference
from funcsvc.model.errors import InvalidDefinition, InvalidQuery
from funcsvc.web.answers import Answer


def make_blueprint(policy: Policy, engine: WebEngine) -> Blueprint:
    """Return the blueprint of /images over its parts."""
    blueprint = Blueprint("images", __name__)

    @blueprint.get("/images/<path:name>/json")
    def get_image(name: str) -> Response:
        return Answer(json.dumps(engine.inspect_image(name)))

    @blueprint.post("/images/create")
    def pull_image() -> Response:
        progress = engine.pull_progress(_reference(policy))
        first = next(progress, b"")  # so that an error is still an answer of its own
        answer = Answer(itertools.chain([first], progress))
        answer.call_on_close(progress.close)
        return answer

    return blueprint


def _reference(policy: Policy) -> ImageReference:
    """Return what a query asks to pull; raises InvalidQuery."""
    for option in request.args:
        if option not in ("fromImage", "tag"):
            raise InvalidQuery(option, request.args[option], "left out: known are fromImage, tag")
    reference = _parse("fromImage", request.args.get("fromImage", ""), "an image reference")
    tag = request.args.get("tag")
    if tag:  # in the place of the one that fromImage may have, as at the engine
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
