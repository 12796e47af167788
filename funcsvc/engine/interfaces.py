"""What the other rooms need of the engine: an interface per process, with each method's errors.

Any method that asks the engine can raise EngineUnavailable.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from funcsvc.engine.containers.protocol import OutputReader
from funcsvc.model import Func, Image, ImageReference, InstanceKind, Size


class WebEngine(Protocol):
    """One Docker Engine, as the web process needs it. Safe to share between threads."""

    def check_func(self, func: Func) -> Image:
        """Check that the engine can hold the func's size and has its image, pulled if missing.

        Returns the image.

        Raises SizeTooLarge, ImageNotFound, NoCommand, ImageInStarterFolder, ArgumentsTooLarge,
        ImageArgumentTooLong and TooManyPublished if the definition is at fault, and
        RegistryUnavailable and TooManyPulls if it isn't.
        """

    def check_environment(self, func: Func) -> None:
        """Check that a func can still start after its environment was changed. Pulls nothing.

        Raises ImageInStarterFolder, ArgumentsTooLarge and ImageArgumentTooLong.
        """

    def check_size(self, size: Size) -> None:
        """Raise SizeTooLarge unless the engine can hold a container of this size."""

    def inspect_image(self, name: str) -> dict[str, Any]:
        """Return the engine's own inspection of an image. Raises ImageMissing."""

    def list_images(self, filters: Mapping[str, Sequence[str]], *, include_all: bool) -> list[Any]:
        """Return the engine's own list of images. Raises InvalidQuery for filters it refuses."""

    def remove_image(self, name: str, *, force: bool, noprune: bool) -> list[Any]:
        """Remove an image, and return the engine's own list of what it has removed.

        Raises ImageMissing and ImageInUse.
        """

    def pull_progress(
        self, reference: ImageReference, credentials: Mapping[str, str] | None = None
    ) -> Generator[bytes]:
        """Pull an image and yield the engine's own progress. The generator must be closed.

        The credentials replace the operator's. Asking for the first item raises NotInRegistry,
        PullForbidden, RegistryUnavailable and TooManyPulls.
        """

    def check_login(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Return the engine's answer to right registry credentials, which it doesn't keep.

        Raises LoginRefused, RegistryNotReached and TooManyWaits.
        """

    def get_info(self) -> dict[str, Any]:
        """Return what the engine says of itself, without what tells of its host."""

    def check(self) -> None:
        """Raise EngineUnavailable unless the engine answers."""


class OutputSource(Protocol):
    """The source of a call's output: its instance, or a replay of what the instance printed."""

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        """Read what arrives within `seconds`. Return whether more can follow.

        Raises StreamBroken if the source ends before its call has.
        """


class Instance(OutputSource, Protocol):
    """A container that waits for its frame, and the connection to it.

    It must be closed, which doesn't remove the container.
    """

    name: str
    func: Func
    image: Image
    kind: InstanceKind

    def send(self, frame: bytes, seconds: float) -> None:
        """Send the whole frame within `seconds`. Raises StreamBroken."""

    def has_ended(self) -> bool:
        """Tell whether the container or its connection has ended while it waited."""

    def close(self) -> None:
        """Close the connection. A container that still waits for its frame then ends."""


@dataclass(frozen=True)
class ContainerState:
    """The state of a container, as the engine reports it.

    Since a call ends with its container, one that somebody has started again isn't running.
    """

    is_running: bool
    exit_code: int
    out_of_memory: bool


class WorkerEngine(Protocol):
    """One Docker Engine, as a worker needs it. Safe to share between threads."""

    def find_id(self) -> str:
        """Return a name for the engine that no other engine has."""

    def prepare(self, service: str, worker: str) -> None:
        """Prepare to start containers with the labels of this service and worker.

        Has started one when it returns. Raises EngineUnavailable with the reason if it can't.
        """

    def check(self) -> None:
        """Raise EngineUnavailable unless the engine answers."""

    def get_image(self, func: Func) -> Image:
        """Return the image that a func's reference names now, pulled if it is missing.

        Raises ImageGone.
        """

    def has_image(self, func: Func, image: Image) -> bool:
        """Tell whether a func's reference still names this image. Pulls nothing."""

    def start_instance(self, name: str, func: Func, image: Image) -> Instance:
        """Create, attach to and start a container with this name, which then waits for its frame.

        Raises NotStarted, NotStartedYet and ImageGone, which are the func's own failures, and
        InstanceVanished.
        The container must be removed by its name, even after an error.
        """

    def get_state(self, container: str) -> ContainerState | None:
        """Return the state of a container, or None if there is no container with this name."""

    def get_disk_bytes(self, container: str, seconds: float) -> int:
        """Return how many bytes a container has on the engine's disk; 0 unless it is running.

        They are those of its own layer and volumes. Raises FilesUncounted if its layer holds more
        files than can be counted in `seconds`, or if the engine doesn't answer for as long.
        """

    def replay(self, container: str, *, follow: bool) -> AbstractContextManager[OutputSource]:
        """Open the output of a container, from its beginning and, to follow it, to its end."""

    def kill(self, container: str, seconds: float) -> None:
        """Kill what runs in a container, if the engine does so in time. Never raises."""

    def wait_until_stopped(self, container: str) -> None:
        """Wait until a container has stopped, but not for too long. Never raises."""

    def remove(self, container: str) -> None:
        """Remove a container with its volumes. Does nothing if it is gone or being removed."""

    def list_containers(self) -> list[tuple[str, str]]:
        """Return the name and the worker of every container of this service."""
