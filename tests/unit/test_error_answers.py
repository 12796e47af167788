"""The description's error answers have the status, headers and example of the service's own."""

from __future__ import annotations

import pytest

from funcsvc.model import errors
from funcsvc.web.openapi.parts import error_answers


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.FuncNotFound("a"), 404, set()),
        (errors.FuncExists("a"), 409, set()),
        (errors.BodyTooLarge(7), 413, set()),
        (errors.OutputRotated("a"), 410, set()),
        (errors.StoreUnavailable("it is away"), 500, set()),
        (errors.ExitedBadly(7), 500, set()),
        (errors.CallTimedOut(7), 504, set()),
        (errors.OutputTooLarge(7), 509, set()),
        (errors.Unauthorized("No."), 401, {"WWW-Authenticate"}),
        (errors.TooManyAttempts(7), 429, {"Retry-After"}),
        (errors.TooManyPulls(7), 503, {"Retry-After"}),
    ],
)
def test_error_has_the_status_and_the_headers_of_its_kind(
    error: errors.FuncsvcError, status: int, headers: set[str]
) -> None:
    answers = error_answers({error: "It went wrong."})
    assert answers.keys() == {status}
    assert answers[status]["description"] == "It went wrong."
    assert answers[status]["headers"].keys() == {"X-Request-Id", *headers}
    content = answers[status]["content"]["application/json"]
    assert content == {
        "schema": {"$ref": "#/components/schemas/Error"},
        "example": {"message": error.message},
    }


def test_example_names_wrong_fields() -> None:
    error = errors.InvalidDefinition({"Timeout": ["Timeout is wrong."]})
    content = error_answers({error: "It went wrong."})[400]["content"]["application/json"]
    assert content["example"] == {
        "message": "Timeout is wrong.",
        "errors": {"Timeout": ["Timeout is wrong."]},
    }


def test_errors_of_one_status_share_an_answer() -> None:
    func, call = errors.FuncNotFound("a"), errors.CallNotFound("b")
    answers = error_answers({func: "No function.", call: "No call."})
    assert answers.keys() == {404}
    assert answers[404]["description"] == "- No function.\n- No call."
    assert answers[404]["content"]["application/json"]["examples"] == {
        "FuncNotFound": {"value": {"message": func.message}},
        "CallNotFound": {"value": {"message": call.message}},
    }
