"""Whether a func can start at all, with what its image adds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from funcsvc.engine.containers.options import command_of
from funcsvc.model import (
    MAX_ARGUMENT_BYTES,
    MAX_PUBLISHED_PORTS,
    Func,
    Image,
    argument_bytes,
    is_in_starter_folder,
    is_too_long,
)
from funcsvc.model.errors import (
    ArgumentsTooLarge,
    ImageArgumentTooLong,
    ImageInStarterFolder,
    TooManyPublished,
)


def check_startable(func: Func, image: Image) -> None:
    """Raise an error if the func can't be started.

    ImageInStarterFolder says that the engine can't make a folder of the image; ArgumentsTooLarge
    and ImageArgumentTooLong that the kernel can't start a program with that much.
    """
    _check_folders(func, image)
    words, variables = command_of(func, image), [*func.config.env, *_variables_of(image, func)]
    for text in variables:
        if is_too_long(text):
            raise ImageArgumentTooLong(func.config.image.text, f"variable {text.split('=')[0]}")
    if any(map(is_too_long, words)):
        raise ImageArgumentTooLong(func.config.image.text, "command")
    total = argument_bytes([*words, *variables])
    if total > MAX_ARGUMENT_BYTES:
        raise ArgumentsTooLarge(total, MAX_ARGUMENT_BYTES)


def _check_folders(func: Func, image: Image) -> None:
    """Raise ImageInStarterFolder if the image has a folder there, which is read-only."""
    working_dir = image.working_dir if not func.config.working_dir else ""
    for what, folders in (("WorkingDir", [working_dir]), ("volume", image.volumes)):
        for folder in folders:
            if folder and is_in_starter_folder(folder):
                raise ImageInStarterFolder(func.config.image.text, f"{what} {folder}")


def check_published(func: Func, image: Image) -> None:
    """Raise TooManyPublished if the engine would publish too many ports, with the image's."""
    exposed_ports = {*func.config.exposed_ports, *image.exposed_ports}
    published = func.host_config.count_published(exposed_ports)
    if published > MAX_PUBLISHED_PORTS:
        raise TooManyPublished(published, MAX_PUBLISHED_PORTS)


def _variables_of(image: Image, func: Func) -> Iterator[str]:
    """Yield the image's variables that the definition doesn't override."""
    own = {variable.partition("=")[0] for variable in func.config.env}
    for variable in image.env:
        if variable.partition("=")[0] not in own:
            yield variable
