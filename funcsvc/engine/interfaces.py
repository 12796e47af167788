"""What the other rooms need of the engine: an interface for each process, with the errors of each
method.

Any method that asks the engine may raise EngineUnavailable.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from funcsvc.engine.containers.protocol import OutputReader
from funcsvc.model import Func, Image, ImageReference, InstanceKind, Size


class WebEngine(Protocol):
    """One Docker Engine, as the web process needs it. Safe to share between threads."""

    def check_func(self, func: Func) -> None:
        """Raise unless the engine can hold the func's size, and has or gets its image.

        Raises SizeTooLarge, ImageNotFound and NoCommand, and what isn't the definition's fault:
        RegistryUnavailable and TooManyPulls.
        """

    def check_size(self, size: Size) -> None:
        """Raise SizeTooLarge unless the engine can hold a container of the size."""

    def inspect_image(self, name: str) -> dict[str, Any]:
        """Return the engine's own inspection of an image. Raises ImageMissing."""

    def pull_progress(self, reference: ImageReference) -> Generator[bytes]:
        """Pull an image and yield the engine's own progress. The iterator must be closed.

        With the first item it raises ImageMissing, PullForbidden, RegistryUnavailable and
        TooManyPulls.
        """

    def check(self) -> None:
        """Raise EngineUnavailable unless the engine answers."""


class OutputSource(Protocol):
    """What a call's output is read from: its instance, or a replay of what that has printed."""

    def read_into(self, reader: OutputReader, seconds: float) -> bool:
        """Read what arrives within `seconds`; return whether more may follow.

        Raises StreamBroken when the source ends before its call has.
        """


class Instance(OutputSource, Protocol):
    """A container that waits for its frame, and the connection to it.

    It must be closed; that doesn't remove the container.
    """

    name: str
    func: Func
    image: Image
    kind: InstanceKind

    def send(self, frame: bytes, seconds: float) -> None:
        """Send the whole frame within `seconds`. Raises StreamBroken."""

    def has_ended(self) -> bool:
        """Tell whether it has ended while it waited, or its connection has."""

    def close(self) -> None:
        """Close the connection. A container that still waits for its frame then ends."""


@dataclass(frozen=True)
class ContainerState:
    """What the engine says of a container."""

    is_running: bool
    exit_code: int
    out_of_memory: bool


class WorkerEngine(Protocol):
    """One Docker Engine, as a worker needs it. Safe to share between threads."""

    def find_id(self) -> str:
        """Return a name for the engine that no other engine has."""

    def prepare(self, service: str, worker: str) -> None:
        """Get ready to start containers with the labels of this service and worker."""

    def check(self) -> None:
        """Raise EngineUnavailable unless the engine answers."""

    def get_image(self, func: Func) -> Image:
        """Return the image that a func's reference names now, pulled if it is missing.

        Raises ImageGone.
        """

    def has_image(self, func: Func, image: Image) -> bool:
        """Tell whether a func's reference still names an image. Pulls nothing."""

    def start_instance(self, name: str, func: Func, image: Image) -> Instance:
        """Create, attach to and start a container of this name, which waits for its frame.

        Raises NotStarted and ImageGone, the func's own failures, and InstanceVanished. Whatever
        happens, the container must be removed by its name.
        """

    def get_state(self, container: str) -> ContainerState | None:
        """Return the state of a container, or None if there is none of that name."""

    def replay(self, container: str) -> AbstractContextManager[OutputSource]:
        """Give the output of a container from its beginning, and then what follows."""

    def kill(self, container: str, seconds: float) -> None:
        """Kill what runs in a container, if the engine does it in time; never raises."""

    def wait_until_stopped(self, container: str) -> None:
        """Return when a container has stopped, or when that takes too long; never raises."""

    def remove(self, container: str) -> None:
        """Remove a container with its volumes; does nothing if it is gone or being removed."""

    def list_containers(self) -> list[tuple[str, str]]:
        """Return the name and the worker of every container of this service."""
