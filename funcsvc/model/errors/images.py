"""Errors in looking up and pulling images."""

from __future__ import annotations

from funcsvc.model.errors.funcs import InvalidDefinition
from funcsvc.model.errors.kinds import (
    Busy,
    Conflict,
    Forbidden,
    InvalidParameter,
    NotFound,
    Unauthorized,
    Unavailable,
)
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


class NotInRegistry(NotFound):
    """Raised when a client asks for a pull, but the registry has no such image for it."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"The registry has no image {show(reference)}, or denies access to it.")


class ImageInUse(Conflict):
    """Raised when an image can't be removed because something needs it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The image {show(name)} can't be removed: {reason}.")


class ImageBeingRemoved(Busy):
    """Raised when a func would be defined with an image that another request is removing."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"Config.Image is {show(reference)}, but this image is being removed: "
            "try again in a few seconds."
        )


class RemovalForbidden(Forbidden):
    """Raised when a client asks for an image to be removed, but the operator forbids that."""

    def __init__(self) -> None:
        super().__init__("The operator forbids the removal of images.")


class PullForbidden(InvalidParameter):
    """Raised when a client asks for a pull, but the operator forbids pulls."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"fromImage is {show(reference)}, but the operator forbids pulls.")


class RegistryUnavailable(Unavailable):
    """Raised when an image must be pulled, but its registry fails or can't be reached."""

    def __init__(self, domain: str, reference: str, reason: str) -> None:
        super().__init__(f'The registry {domain} can\'t deliver the image "{reference}": {reason}.')


class RegistryNotReached(Unavailable):
    """Raised when credentials must be checked, but their registry fails or can't be reached."""

    def __init__(self, registry: str, reason: str) -> None:
        super().__init__(f"The registry {show(registry)} can't check the credentials: {reason}.")


class LoginRefused(Unauthorized):
    """Raised when a registry doesn't accept credentials that a client has asked to check."""

    def __init__(self, registry: str) -> None:
        super().__init__(f"The registry {show(registry)} doesn't accept these credentials.")


class InvalidCredentials(InvalidParameter):
    """Raised when the header with registry credentials is malformed. It is never quoted."""


class TooManyPulls(Busy):
    """Raised when the limit of requests that wait for pulls is reached."""

    def __init__(self, max_pulls: int) -> None:
        super().__init__(
            f"The image must be pulled, but {max_pulls} requests are already waiting for pulls: "
            "try again in a few seconds."
        )
