"""Tells schemathesis, which loads this module, about rules that no JSON Schema can express.

No check is switched off because of them. Data that is valid by the document is changed where this
engine or these functions would refuse it. Invalid data is left alone, except for images, which are
never pulled from another registry.
"""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import AllowHeaderMismatch, UseAfterFree

from funcsvc.model import InvalidReference, parse_image_reference
from funcsvc.model.errors import InvalidParameter
from funcsvc.schemas import CHANGEABLE, EMPTY, parse_json_object

IMAGE = os.environ["TEST_IMAGE"]
REGISTRY = os.environ["TEST_REGISTRY"]
KEPT_FUNC = os.environ["TEST_FUNC"]
KEPT_UUID = os.environ["TEST_FUNC_UUID"]
NO_CALL = "218b7b10-0000-4000-8000-000000000000"
SECTIONS = ("Config", "HostConfig", "NetworkingConfig")
FITTING_SIZES = ("s1", "s2", "s3", "s4")


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    is_valid = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    MENDERS.get(case.operation.label, lambda *_: None)(case, is_valid)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Return False for three kinds of failures that are correct behaviour.

    - Allow at /funcs/create has more than POST: it is also the path of a function named "create".
      In the same way, paths such as /images/json are also those of images.
    - 414 refuses a request line that is too long, which the check takes for accepted data.
    - DELETE on the path of a call runs the function, as every method does, and removes nothing.
    """
    if isinstance(failure, UseAfterFree) and case.path.startswith("/call/"):
        return False
    if isinstance(failure, AcceptedNegativeData) and response.status_code == 414:
        return False
    has_names_below = case.path == "/funcs/create" or case.path.startswith("/images/")
    return not (isinstance(failure, AllowHeaderMismatch) and has_names_below)


def mend_definition(case: Case, is_valid: bool) -> None:
    if not isinstance(case.body, dict):
        return
    config = case.body.get("Config")
    if isinstance(config, dict) and (is_valid or is_reference(config.get("Image"))):
        config["Image"] = IMAGE
    if is_valid:
        mend_ignored(case.body)
        mend_integer(case.body, "Timeout")
        mend_integer(config, "StopSignal")
        mend_size(case.body)
        mend_ports(case.body)
        mend_command(config)


def mend_changes(case: Case, is_valid: bool) -> None:
    """Remove fields that an update can't change, unless they are empty."""
    if not is_valid:
        return
    mend_size(case.body)
    mend_integer(case.body, "Timeout")
    sections = [case.body[key] for key in SECTIONS if isinstance(case.body.get(key), dict)]
    for document in (case.body, *sections):
        for key in document.keys() - CHANGEABLE:
            if document[key] not in (*EMPTY, None, *sections):
                del document[key]


def mend_listing(case: Case, is_valid: bool) -> None:
    """Make a page begin after an existing func."""
    if is_valid and "before" in (case.query or {}):
        case.query["before"] = KEPT_FUNC


def mend_pull(case: Case, is_valid: bool) -> None:
    """Pull from the test's own registry, which has one image with the example's name."""
    image = (case.query or {}).get("fromImage")
    if is_reference(image):
        case.query["fromImage"] = f"{REGISTRY}/{parse_image_reference(image).path}"
    elif is_valid:  # too long
        case.query["fromImage"] = f"{REGISTRY}/none"


def mend_auth_header(case: Case, is_valid: bool) -> None:
    """Send credentials that can be read: no schema says what base64 has in it."""
    mend_pull(case, is_valid)
    if is_valid and "X-Registry-Auth" in (case.headers or {}):
        case.headers["X-Registry-Auth"] = "e30="


def mend_image_listing(case: Case, is_valid: bool) -> None:
    """Give filters values that the engine can use."""
    if is_valid and "filters" in (case.query or {}):
        case.query["filters"] = '{"dangling": ["false"]}'


def mend_login(case: Case, is_valid: bool) -> None:
    """Log in to the test's own registry, which needs no password."""
    if isinstance(case.body, dict) and isinstance(case.body.get("serveraddress") or "", str):
        case.body["serveraddress"] = REGISTRY


def mend_delete(case: Case, is_valid: bool) -> None:
    """Keep the func after which pages begin."""
    if case.path_parameters.get("name") == KEPT_FUNC:
        case.path_parameters["name"] = "none"


def mend_removal(case: Case, is_valid: bool) -> None:
    """Remove only the image that was pulled from the test's own registry."""
    if case.path_parameters.get("name") != "ubuntu":
        case.path_parameters["name"] = "none"
    else:
        case.path_parameters["name"] = f"{REGISTRY}/library/ubuntu"


def mend_address(case: Case, is_valid: bool) -> None:
    """Call an existing func."""
    if is_valid:
        case.path_parameters |= {"name": KEPT_FUNC, "uuid": KEPT_UUID}


def mend_logs(case: Case, is_valid: bool) -> None:
    """Follow only a call that doesn't exist, so that the log ends."""
    mend_address(case, is_valid)
    if "follow" in (case.query or {}):
        case.query["callid"] = NO_CALL


def mend_ignored(body: dict[str, Any]) -> None:
    """Replace values of ignored fields that no body can have, such as a huge number."""
    for key in body.keys() & {"UUID", "Created"}:
        try:
            parse_json_object(json.dumps({key: body[key]}).encode())
        except InvalidParameter:
            body[key] = "0001-01-01T00:00:00Z"


def mend_integer(document: dict[str, Any], key: str) -> None:
    """Turn floats such as 300.0 into integers, as JSON Schema sees them."""
    value = document.get(key)
    if isinstance(value, float) and value.is_integer():
        document[key] = int(value)


def mend_size(body: dict[str, Any]) -> None:
    if body.get("ContainerSize") not in (None, *FITTING_SIZES):
        body["ContainerSize"] = FITTING_SIZES[-1]


def mend_ports(body: dict[str, Any]) -> None:
    """Give each port once, let a range end after it begins, and choose one host port at most."""
    for section, option in (("Config", "ExposedPorts"), ("HostConfig", "PortBindings")):
        ports = (body.get(section) or {}).get(option) or {}
        for port in [port for port in ports if f"{port}/tcp" in ports]:
            del ports[port]
    bindings = ((body.get("HostConfig") or {}).get("PortBindings") or {}).values()
    bindings = [binding for listed in bindings for binding in listed or ()]
    for binding in bindings[:1]:
        ends = (binding.get("HostPort") or "").split("-")
        if len(ends) == 2:
            binding["HostPort"] = "-".join(sorted(ends, key=int))
    for binding in bindings[1:]:
        binding.pop("HostPort", None)


def mend_command(config: dict[str, Any]) -> None:
    """Add a command if the entrypoint is one empty string, which removes the image's command."""
    if not config.get("Cmd") and config.get("Entrypoint") in ([""], "''", '""'):
        config["Cmd"] = ["true"]


def is_reference(image: Any) -> bool:
    try:
        return isinstance(image, str) and bool(parse_image_reference(image))
    except InvalidReference:
        return False


MENDERS = {
    "POST /funcs/create": mend_definition,
    "PUT /funcs/{name}": mend_changes,
    "GET /funcs": mend_listing,
    "DELETE /funcs/{name}": mend_delete,
    "POST /images/create": mend_auth_header,
    "GET /images/json": mend_image_listing,
    "DELETE /images/{name}": mend_removal,
    "POST /auth": mend_login,
    "GET /status/{name}/{uuid}": mend_address,
    "GET /logs/{name}/{uuid}": mend_logs,
    **{
        f"{method} /call/{{name}}/{{uuid}}{more}": mend_address
        for method in ("GET", "POST", "PUT", "DELETE")
        for more in ("", "/sync")
    },
}
