"""Errors in definitions and in looking up or removing funcs."""

from __future__ import annotations

import itertools

from funcsvc.model.errors.kinds import Conflict, FieldErrors, InvalidParameter, NotFound, TooLarge
from funcsvc.model.errors.wording import MAX_ERRORS, count_fitting, show


class InvalidDefinition(InvalidParameter):
    """Raised when fields of a definition break a rule.

    What an answer has no room for is left out, so whoever checks a definition can stop beyond
    MAX_ERRORS sentences.
    """

    def __init__(self, field_errors: FieldErrors) -> None:
        every = ((path, it) for path, sentences in field_errors.items() for it in sentences)
        found = list(itertools.islice(every, MAX_ERRORS + 1))
        listed: dict[str, list[str]] = {}
        number = count_fitting(found)
        for path, sentence in found[:number]:
            listed.setdefault(path, []).append(sentence)
        super().__init__(found[0][1] + _more(len(found), number), listed)


def _more(found: int, listed: int) -> str:
    """Return what a message says after its first sentence, of so many that were found."""
    if listed == found:
        return f" {found - 1} more: see errors." if found > 1 else ""
    number = "There are more" if found > MAX_ERRORS else f"{found - 1} more"
    return f" {number}: errors lists only the first {listed}."


class DefinitionTooLarge(TooLarge):
    """Raised when a definition would take too much room in the store."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"The definition is too large: written out in full, at most {max_bytes} bytes are "
            "accepted."
        )


class FuncExists(Conflict):
    """Raised when the name of a new func is already taken."""

    def __init__(self, name: str) -> None:
        super().__init__(f'Name is "{name}", but a function with that name already exists.')


class FuncBeingRemoved(Conflict):
    """Raised when the name of a new func is that of one whose calls are still being removed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f'Name is "{name}", but the last function with that name is still being removed: '
            "try again in a few seconds."
        )


class FuncNotFound(NotFound):
    """Raised when no func has the given name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no function named {show(name)}.")


class FuncBusy(Conflict):
    """Raised when a func can't be removed because it has pending or running calls."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The function {show(name)} can't be removed while it has pending or running calls."
        )


class SizeTooLarge(InvalidDefinition):
    """Raised when a container of the given size doesn't fit on the engine."""

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


class ArgumentsTooLarge(InvalidDefinition):
    """Raised when no program can be started with all of a definition's words and variables."""

    def __init__(self, total: int, most: int) -> None:
        super().__init__(
            {
                "Config.Env": [
                    f"Config.Env takes {total} bytes together with Config.Entrypoint, Config.Cmd "
                    f"and what the image adds, but must take at most {most}."
                ]
            }
        )


class ImageArgumentTooLong(InvalidDefinition):
    """Raised when no program can be started with a variable or a command that an image adds."""

    def __init__(self, reference: str, what: str) -> None:
        super().__init__(
            {
                "Config.Image": [
                    f"Config.Image is {show(reference)}, but must be an image whose variables and "
                    f"words are shorter than 128 KiB: its {what} isn't."
                ]
            }
        )


class ImageInStarterFolder(InvalidDefinition):
    """Raised when an image has its WorkingDir or a volume where containers have the starter."""

    def __init__(self, reference: str, what: str) -> None:
        super().__init__(
            {
                "Config.Image": [
                    f"Config.Image is {show(reference)}, but must be an image without folders in "
                    f"/.funcsvc, where every container has the starter: it has the {what}."
                ]
            }
        )


class TooManyPublished(InvalidDefinition):
    """Raised when a func publishes too many ports, with those that its image exposes."""

    def __init__(self, published: int, most: int) -> None:
        super().__init__(
            {
                "HostConfig.PublishAllPorts": [
                    f"HostConfig.PublishAllPorts publishes {published} ports, with those that the "
                    f"image exposes, but must publish at most {most}."
                ]
            }
        )
