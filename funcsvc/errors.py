"""The errors of funcsvc, free of HTTP. `http_status` says which status each kind has.

A few kinds, and under each the concrete errors that rooms raise. Every message is one full sentence
that a client may read: it names the field, the value and the rule, and never an inside of ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from funcsvc.models import Failure

FieldErrors = Mapping[str, Sequence[str]]
"""Dotted path of a field, such as `Config.Env.1`, to the sentences of what is wrong with it."""

_SHOWN_CHARACTERS = 80


def show(value: Any) -> str:
    """Return a client's value as a message shows it: as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def path_below(path: str, key: object) -> str:
    """Return the dotted path of what stands under a key; an empty key is shown as two quotes."""
    name = str(key) or '""'
    return f"{path}.{name}" if path else name


class FuncsvcError(Exception):
    """The base of all errors of this service."""

    @property
    def message(self) -> str:
        """One sentence for the client."""
        return str(self)


# --- the kinds ---


class InvalidParameter(FuncsvcError):
    """The kind of everything that a client could mend in its request.

    `field_errors` has every wrong field at once; empty where no field is to blame.
    """

    def __init__(self, message: str, field_errors: FieldErrors | None = None) -> None:
        super().__init__(message)
        self.field_errors: FieldErrors = field_errors or {}


class NotFound(FuncsvcError):
    """The kind of what isn't there."""


class Conflict(FuncsvcError):
    """The kind of what another thing that is there stands against."""


class TooLarge(FuncsvcError):
    """The kind of requests over a limit of size."""


class Unavailable(FuncsvcError):
    """The kind of failures of what this service needs. Nothing was stored."""


class Unauthorized(FuncsvcError):
    """The kind of requests that don't show an access key, or not rightly."""


class Limited(FuncsvcError):
    """The kind of requests that come too often. Try again after `retry_after_seconds`."""

    retry_after_seconds: int


class Gone(FuncsvcError):
    """The kind of what was there and is kept no longer."""


class Busy(FuncsvcError):
    """The kind of requests that would wait where waiting is full. Try again after a while."""

    retry_after_seconds = 5


# --- requests ---


class MalformedBody(InvalidParameter):
    """Raised when a body can't be read as one JSON object."""


class UnsupportedContentType(InvalidParameter):
    """Raised when a body isn't said to be application/json."""


class BodyNotReceived(InvalidParameter):
    """Raised when a body breaks off, is no valid HTTP, or doesn't arrive in its time."""

    def __init__(self) -> None:
        super().__init__("The request body did not arrive whole, or not in time.")


class BodyTooLarge(TooLarge):
    """Raised when a body is over its limit."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The request body is too large: at most {max_bytes} bytes are accepted.")


class WrongHost(InvalidParameter):
    """Raised when an open service is addressed by a name that isn't loopback's."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Host is {show(host)}, but without access keys only localhost and loopback "
            "addresses are answered."
        )


class WrongOrigin(InvalidParameter):
    """Raised when a web page of another site had its visitor's browser send a request."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"Origin is {show(origin)}, but pages of other sites may not send requests here."
        )


class TooManyAttempts(Limited):
    """Raised when an address has failed to show an access key too often."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many requests from this address had no valid access key: "
            f"try again in {retry_after_seconds} seconds."
        )
        self.retry_after_seconds = retry_after_seconds


# --- funcs ---


class InvalidDefinition(InvalidParameter):
    """Raised when fields of a definition break a rule."""

    def __init__(self, field_errors: FieldErrors) -> None:
        first, *others = (sentence for errors in field_errors.values() for sentence in errors)
        more = f" {len(others)} more: see errors." if others else ""
        super().__init__(first + more, field_errors)


class FuncExists(Conflict):
    """Raised when the name of a new func is taken."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f'Name is "{name}", but a function of that name exists already: names are unique.'
        )


class FuncNotFound(NotFound):
    """Raised when no func has a name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no function named {show(name)}.")


class FuncBusy(Conflict):
    """Raised when a func is to be removed while calls of it are pending or running."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The function {show(name)} can't be removed: calls of it are pending or running."
        )


class CallNotFound(NotFound):
    """Raised when no call has an id."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"There is no call {show(call_id)}.")


class OutputRotated(Gone):
    """Raised when a call ended, and its output had to go for newer ones."""

    def __init__(self, call_id: str) -> None:
        super().__init__(f"The output of the call {show(call_id)} was rotated away by newer ones.")


class EnvironmentTooLarge(TooLarge):
    """Raised when what a request says of itself is too much for a function's environment."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The request's query and header fields are too large: at most {max_bytes} bytes of "
            "them become the function's environment."
        )


class TooManyPending(Busy):
    """Raised when as many calls of a func are pending as may."""

    def __init__(self, max_pending: int) -> None:
        super().__init__(
            f"{max_pending} calls of this function are pending, which is the most that may be: "
            "try again in a few seconds."
        )


class TooManyWaits(Busy):
    """Raised when as many requests wait for calls, or follow logs, as may."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(
            f"{most} requests {what} already, which is the most that may: "
            "try again in a few seconds."
        )


class InvalidQuery(InvalidParameter):
    """Raised when an option of a request's query breaks a rule."""

    def __init__(self, option: str, value: object, rule: str) -> None:
        path = path_below("", option)
        sentence = f"{path} is {show(value)}, but must be {rule}."
        super().__init__(sentence, {path: [sentence]})


class ImageMissing(NotFound):
    """Raised when the engine has no image of a name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The engine has no image {show(name)}.")


# --- images, sizes, the engine ---


class ImageNotFound(InvalidDefinition):
    """Raised when an image is neither on the engine nor to be had from its registry."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(
            {"Config.Image": [f'Config.Image is "{reference}", but no such image: {reason}.']}
        )


class PullForbidden(InvalidParameter):
    """Raised when a pull is asked for, and the operator said that none is made."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"fromImage is {show(reference)}, but the operator forbids pulls.")


class SizeTooLarge(InvalidDefinition):
    """Raised when the engine can't hold a container of a size."""

    def __init__(self, size: str, reason: str) -> None:
        super().__init__(
            {"ContainerSize": [f'ContainerSize is "{size}", but must fit the engine: {reason}.']}
        )


class NoCommand(InvalidDefinition):
    """Raised when neither the definition nor its image says what to run."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            {
                "Config.Cmd": [
                    "Config.Cmd is missing, but is required: neither Config.Entrypoint nor the "
                    f'image "{reference}" says what to run.'
                ]
            }
        )


class EngineUnavailable(Unavailable):
    """Raised when the Docker Engine doesn't answer, or answers with a failure of its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The Docker Engine can't be used: {reason}.")


class RegistryUnavailable(Unavailable):
    """Raised when an image must be pulled and its registry can't be reached or fails."""

    def __init__(self, domain: str, reference: str, reason: str) -> None:
        super().__init__(f'The registry {domain} can\'t deliver the image "{reference}": {reason}.')


class TooManyPulls(Busy):
    """Raised when as many requests wait for pulls as may."""

    def __init__(self, max_pulls: int) -> None:
        super().__init__(
            f"The image must be pulled, but {max_pulls} requests wait for pulls already: "
            "try again in a few seconds."
        )


# --- a function's own failures: stored on its call, answered to whoever asks for the output ---


class CallFailed(FuncsvcError):
    """The kind of a function's own failures; `failure` is how it is stored."""

    failure = Failure.FAILED


class CallTimedOut(CallFailed):
    """Raised when a function ran past its Timeout and was killed."""

    failure = Failure.TIMED_OUT

    def __init__(self, timeout_seconds: int) -> None:
        super().__init__(
            f"The function ran past its Timeout of {timeout_seconds} seconds and was killed."
        )


class OutputTooLarge(CallFailed):
    """Raised when a function printed more than may be kept, and was killed."""

    failure = Failure.TOO_LARGE

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The function's output is larger than {max_bytes} bytes, and so it was killed."
        )


class ExitedBadly(CallFailed):
    """Raised when a function's command ended with an exit code other than 0."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"The function ended with exit code {exit_code}.")


class Killed(CallFailed):
    """Raised when a function's command was ended by a signal that this service didn't send."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"The function was killed by signal {signal_name}.")


class OutOfMemory(CallFailed):
    """Raised when a function wanted more memory than its size has."""

    def __init__(self, size: str, exit_code: int) -> None:
        super().__init__(
            f"The function was killed for want of memory: its ContainerSize is {size} "
            f"(exit code {exit_code})."
        )


class CommandNotRun(CallFailed):
    """Raised when a function's command can't be found or executed: exit codes 127 and 126."""

    def __init__(self, command: str, reason: str, exit_code: int) -> None:
        super().__init__(f"exec: {show(command)}: {reason} (exit code {exit_code}).")


class NotStarted(CallFailed):
    """Raised when the engine refuses a function's container, or can't start it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The function's container could not be started: {reason}")


class ImageGone(CallFailed):
    """Raised when a function's image is no longer to be had."""


class ResultLost(CallFailed):
    """Raised when a function began, and nobody can say how it ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The function began, but its result is lost: {reason}.")


# --- redis ---


class StoreUnavailable(Unavailable):
    """Raised when Redis doesn't answer, or refuses to read or write."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis can't be used: {reason}.")
