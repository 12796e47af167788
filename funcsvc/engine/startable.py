"""Whether a func can start at all, with what its image adds. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from funcsvc.engine.containers.options import command_of
from funcsvc.model import MAX_ARGUMENT_BYTES, Func, Image, argument_bytes, is_too_long
from funcsvc.model.errors import ArgumentsTooLarge, ImageArgumentTooLong


def check_startable(func: Func, image: Image) -> None:
    """Raise ArgumentsTooLarge or ImageArgumentTooLong if the kernel can't start the func."""
    words, variables = command_of(func, image), [*func.config.env, *_variables_of(image, func)]
    for text in variables:
        if is_too_long(text):
            raise ImageArgumentTooLong(func.config.image.text, f"variable {text.split('=')[0]}")
    if any(map(is_too_long, words)):
        raise ImageArgumentTooLong(func.config.image.text, "command")
    total = argument_bytes([*words, *variables])
    if total > MAX_ARGUMENT_BYTES:
        raise ArgumentsTooLarge(total, MAX_ARGUMENT_BYTES)


def _variables_of(image: Image, func: Func) -> Iterator[str]:
    """Yield the image's variables that the definition doesn't override."""
    own = {variable.partition("=")[0] for variable in func.config.env}
    for variable in image.env:
        if variable.partition("=")[0] not in own:
            yield variable
