"""Every error has a status, the one body, and a message of one sentence."""

from __future__ import annotations

import functools
import json
import re
from http import HTTPStatus

import pytest

from funcsvc import engine
from funcsvc.model import Failure, errors
from funcsvc.model.errors.wording import MAX_ERROR_BYTES
from funcsvc.store.translation import AnswerLost
from funcsvc.web.http_status import STATUS_OF_FAILURE, STATUS_OF_KIND, error_body, status_of

assert engine  # the engine's modules can define errors too

KINDS = [
    errors.InvalidParameter,
    errors.NotFound,
    errors.Conflict,
    errors.TooLarge,
    errors.Unavailable,
    errors.Unauthorized,
    errors.Forbidden,
    errors.Limited,
    errors.Gone,
    errors.Busy,
]

OWN_FAILURES = [errors.CallFailed, errors.CallTimedOut, errors.OutputTooLarge]
"""The base of a function's own failures, and the failures that have their own status."""

EXAMPLES = {
    "MalformedBody": (errors.MalformedBody("The body is a list."), 400),
    "UnsupportedContentType": (errors.UnsupportedContentType("Content-Type is bad."), 400),
    "BodyNotReceived": (errors.BodyNotReceived(), 400),
    "DefinitionTooLarge": (errors.DefinitionTooLarge(10), 413),
    "BodyTooLarge": (errors.BodyTooLarge(10), 413),
    "InvalidDefinition": (errors.InvalidDefinition({"Name": ["Name is bad."]}), 400),
    "WrongOrigin": (errors.WrongOrigin("http://evil.example"), 400),
    "WrongHost": (errors.WrongHost("evil.example"), 400),
    "TooManyAttempts": (errors.TooManyAttempts(7), 429),
    "ArgumentsTooLarge": (errors.ArgumentsTooLarge(11, 10), 400),
    "ImageArgumentTooLong": (errors.ImageArgumentTooLong("ubuntu", "variable A"), 400),
    "ImageInStarterFolder": (errors.ImageInStarterFolder("ubuntu", "volume /.funcsvc/x"), 400),
    "FuncExists": (errors.FuncExists("f"), 409),
    "FuncBeingRemoved": (errors.FuncBeingRemoved("f"), 409),
    "FuncNotFound": (errors.FuncNotFound("f"), 404),
    "CallNotFound": (errors.CallNotFound("c"), 404),
    "FuncBusy": (errors.FuncBusy("f"), 409),
    "CallRemoved": (errors.CallRemoved("c"), 410),
    "OutputRotated": (errors.OutputRotated("c"), 410),
    "EnvironmentTooLarge": (errors.EnvironmentTooLarge(10), 413),
    "TooManyPending": (errors.TooManyPending(10), 503),
    "TooManyPendingBytes": (errors.TooManyPendingBytes("this function", 10), 503),
    "TooManyWaits": (errors.TooManyWaits("follow logs", 3), 503),
    "CallTimedOut": (errors.CallTimedOut(300), 504),
    "OutputTooLarge": (errors.OutputTooLarge(10), 509),
    "ExitedBadly": (errors.ExitedBadly(7), 500),
    "Killed": (errors.Killed("SIGSEGV"), 500),
    "WroteTooMuch": (errors.WroteTooMuch(11, 10), 500),
    "WroteTooManyFiles": (errors.WroteTooManyFiles(5), 500),
    "EndedFromOutside": (errors.EndedFromOutside("got signal 15 (SIGTERM)"), 500),
    "OutOfMemory": (errors.OutOfMemory("s4", 137), 500),
    "CommandNotRun": (errors.CommandNotRun("nosuch", "not found", 127), 500),
    "NotStarted": (errors.NotStarted("the port is taken."), 500),
    "NotStartedYet": (errors.NotStartedYet("the port is taken."), 500),
    "PortTaken": (errors.PortTaken("8000"), 500),
    "PortRangeTaken": (errors.PortRangeTaken(["8000-8001"]), 500),
    "NoFreeAddress": (errors.NoFreeAddress(), 500),
    "ImageGone": (errors.ImageGone("The image is gone."), 500),
    "ResultLost": (errors.ResultLost("its engine is gone"), 500),
    "UnknownOption": (errors.UnknownOption("limits", ("limit", "before")), 400),
    "InvalidQuery": (errors.InvalidQuery("limit", "0", "a whole number"), 400),
    "ImageMissing": (errors.ImageMissing("ubuntu"), 404),
    "ImageNotFound": (errors.ImageNotFound("ubuntu", "the engine lacks it"), 400),
    "ImageBeingRemoved": (errors.ImageBeingRemoved("ubuntu"), 503),
    "ImageInUse": (errors.ImageInUse("ubuntu", 'the function "f" is defined with it'), 409),
    "NotInRegistry": (errors.NotInRegistry("ubuntu"), 404),
    "RemovalForbidden": (errors.RemovalForbidden(), 403),
    "RegistryNotReached": (errors.RegistryNotReached("docker.io", "it can't be reached"), 500),
    "LoginRefused": (errors.LoginRefused("docker.io"), 401),
    "InvalidCredentials": (errors.InvalidCredentials("X-Registry-Auth is malformed."), 400),
    "PullForbidden": (errors.PullForbidden("ubuntu"), 400),
    "SizeTooLarge": (errors.SizeTooLarge("l3", "it needs 8 CPUs, and the engine has 2"), 400),
    "TooManyPublished": (errors.TooManyPublished(300, 256), 400),
    "NoCommand": (errors.NoCommand("ubuntu"), 400),
    "EngineUnavailable": (errors.EngineUnavailable("it can't be reached"), 500),
    "RegistryUnavailable": (
        errors.RegistryUnavailable("docker.io", "ubuntu", "it can't be reached"),
        500,
    ),
    "TooManyPulls": (errors.TooManyPulls(4), 503),
    "StoreUnavailable": (errors.StoreUnavailable("it can't be reached"), 500),
    "ConnectionsInUse": (errors.ConnectionsInUse(), 500),
    "AnswerLost": (AnswerLost(timed_out=False), 500),
}


def subclasses(base: type) -> set[type]:
    found = {base}
    for below in base.__subclasses__():
        found |= subclasses(below)
    return {kind for kind in found if kind.__module__.startswith("funcsvc.")}


CONCRETE = sorted(
    subclasses(errors.FuncsvcError) - {errors.FuncsvcError, errors.CallFailed, *KINDS},
    key=lambda kind: kind.__name__,
)


def test_every_concrete_error_has_an_example_here():
    assert {kind.__name__ for kind in CONCRETE} == set(EXAMPLES)


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_error_is_of_one_kind(kind):
    assert sum(issubclass(kind, one) for one in [*KINDS, errors.CallFailed]) == 1


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_error_says_when_it_is_raised(kind):
    assert kind.__doc__.startswith("Raised when ")


@pytest.mark.parametrize(("error", "status"), EXAMPLES.values(), ids=EXAMPLES)
def test_error_has_its_status(error, status):
    assert status_of(error) == status


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES.values()], ids=EXAMPLES)
def test_error_has_a_sentence_for_its_message(error):
    assert re.fullmatch(r"([A-Z]|[0-9]|limit|fromImage|exec: ).*[^.]\.", error.message)
    assert error.message == str(error)


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES.values()], ids=EXAMPLES)
def test_error_has_the_one_body(error):
    field_errors = getattr(error, "field_errors", None)
    expected = {"message": error.message}
    if field_errors:
        expected["errors"] = field_errors
    assert json.loads(error_body(error.message, field_errors)) == expected


def test_every_kind_has_a_status():
    assert set(STATUS_OF_KIND) == {*KINDS, *OWN_FAILURES}


def test_every_stored_failure_has_the_status_of_its_error():
    assert set(STATUS_OF_FAILURE) == set(Failure)
    for kind in OWN_FAILURES:
        assert STATUS_OF_FAILURE[kind.failure] == STATUS_OF_KIND[kind]


def test_error_of_no_kind_is_a_bug():
    assert status_of(errors.FuncsvcError("Oh.")) == HTTPStatus.INTERNAL_SERVER_ERROR


def test_messages_name_the_field_the_value_and_the_rule():
    messages = {name: error.message for name, (error, _) in EXAMPLES.items()}
    assert messages["FuncExists"] == ('Name is "f", but a function with that name already exists.')
    assert messages["FuncNotFound"] == 'There is no function named "f".'
    assert messages["BodyTooLarge"] == (
        "The request body is too large: at most 10 bytes are accepted."
    )
    assert messages["ImageNotFound"] == (
        'Config.Image is "ubuntu", but there is no such image: the engine lacks it.'
    )
    assert messages["SizeTooLarge"] == (
        'ContainerSize is "l3", but must fit the engine: it needs 8 CPUs, and the engine has 2.'
    )
    assert messages["NoCommand"] == (
        "Config.Cmd is missing, but is required: neither Config.Entrypoint nor the image "
        '"ubuntu" says what to run.'
    )
    assert messages["EngineUnavailable"] == (
        "The Docker Engine can't be used: it can't be reached."
    )
    assert messages["RegistryUnavailable"] == (
        "The registry docker.io can't deliver the image \"ubuntu\": it can't be reached."
    )
    assert messages["StoreUnavailable"] == "Redis can't be used: it can't be reached."


def test_message_of_many_wrong_fields_is_the_first_and_says_that_there_are_more():
    error = errors.InvalidDefinition({"A": ["A is bad.", "A is worse."], "B": ["B is bad."]})
    assert error.message.startswith("A is bad.")
    assert "2 more" in error.message
    assert error.field_errors == {"A": ["A is bad.", "A is worse."], "B": ["B is bad."]}


@pytest.mark.parametrize(
    ("wrong", "end"),
    [(1, "K0 is bad."), (2, "1 more: see errors."), (100, "99 more: see errors."),
     (101, "There are more: errors lists only the first 100.")],
)  # fmt: skip
def test_only_the_first_hundred_wrong_fields_are_listed(wrong, end):
    every = {f"K{n}": [f"K{n} is bad."] for n in range(wrong)}
    error = errors.InvalidDefinition(every)
    assert list(error.field_errors) == list(every)[:100]
    assert error.message.startswith("K0 is bad.")
    assert error.message.endswith(end)


def test_sentences_are_counted_where_many_are_about_one_field():
    error = errors.InvalidDefinition({"A": [f"A is bad {n}." for n in range(12_400)]})
    assert len(error.field_errors["A"]) == 100
    assert error.message == "A is bad 0. There are more: errors lists only the first 100."


@pytest.mark.parametrize("letter", ["\x01", "é", "😀", "\ud800", '"'])
def test_sentences_are_listed_while_their_json_is_short(letter):
    wrong = {f"{n}{letter * 400}": [f"{n}{letter * 400} is bad."] for n in range(60)}
    error = errors.InvalidDefinition(wrong)
    number = len(error.field_errors)
    sent = error_body(error.message, error.field_errors).encode()
    size = len(sent) / (number + 1)
    assert MAX_ERROR_BYTES - size - 300 < len(sent) <= MAX_ERROR_BYTES or number == 60
    more = "see errors" if number == 60 else f"errors lists only the first {number}"
    assert error.message.endswith(f" is bad. 59 more: {more}.")


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        (["a", "b", 1], "a.b.1"),
        (["", "b"], '"".b'),
        (["k" * 80, "b"], "k" * 80 + ".b"),
        (["k" * 81, "b"], "k" * 80 + "….b"),
    ],
)
def test_path_names_long_keys_by_their_beginning(keys, path):
    assert functools.reduce(errors.path_below, keys, "") == path


def test_long_path_is_cut():
    assert len(functools.reduce(errors.path_below, ["k" * 99] * 32, "")) < 500


def test_body_keeps_characters_beyond_ascii():
    assert error_body("Name is ä.") == '{"message": "Name is ä."}'


def test_body_without_wrong_fields_has_only_a_message():
    assert error_body("It is bad.", {}) == '{"message": "It is bad."}'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a", '"a"'),
        (1, "1"),
        (True, "true"),
        (None, "null"),
        (["a", 1], '["a", 1]'),
        ("a" * 78, '"' + "a" * 78 + '"'),
        ("a" * 79, '"' + "a" * 79 + "…"),
    ],
)
def test_value_is_shown_as_json_of_at_most_80_characters(value, shown):
    assert errors.show(value) == shown
