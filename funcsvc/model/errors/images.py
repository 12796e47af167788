"""Errors in looking up and pulling images."""

from __future__ import annotations

from funcsvc.model.errors.funcs import InvalidDefinition
from funcsvc.model.errors.kinds import Busy, InvalidParameter, NotFound, Unavailable
from funcsvc.model.errors.wording import show


class ImageMissing(NotFound):
    """Raised when the engine has no image with the given name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The engine has no image {show(name)}.")


class ImageNotFound(InvalidDefinition):
    """Raised when neither the engine nor the registry has the image."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(
            {
                "Config.Image": [
                    f'Config.Image is "{reference}", but there is no such image: {reason}.'
                ]
            }
        )


class PullForbidden(InvalidParameter):
    """Raised when a client asks for a pull, but the operator forbids pulls."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"fromImage is {show(reference)}, but the operator forbids pulls.")


class RegistryUnavailable(Unavailable):
    """Raised when an image must be pulled, but its registry fails or can't be reached."""

    def __init__(self, domain: str, reference: str, reason: str) -> None:
        super().__init__(f'The registry {domain} can\'t deliver the image "{reference}": {reason}.')


class TooManyPulls(Busy):
    """Raised when the limit of requests that wait for pulls is reached."""

    def __init__(self, max_pulls: int) -> None:
        super().__init__(
            f"The image must be pulled, but {max_pulls} requests are already waiting for pulls: "
            "try again in a few seconds."
        )
