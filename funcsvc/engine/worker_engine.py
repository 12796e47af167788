"""The engine as the worker needs it: instances for calls, their ends, and what was left behind."""

from __future__ import annotations

import dataclasses
import hashlib
from contextlib import AbstractContextManager, suppress

import docker

from funcsvc.config import Settings
from funcsvc.engine.capacity import EngineCapacity
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.containers.containers import Instances, InstanceState
from funcsvc.engine.containers.instance import Instance
from funcsvc.engine.containers.refusals import ImageGoneOnEngine, StarterGone
from funcsvc.engine.containers.replay import Replay
from funcsvc.engine.images.images import Images
from funcsvc.model import Func, Image
from funcsvc.model.errors import EngineUnavailable, ImageGone, ImageNotFound, RegistryUnavailable

MAX_STARTS = 3
"""How often a start is tried whose image or starter turned out to be gone, and was brought back."""


class WorkerEngine:
    """One Docker Engine, for one worker. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        # every slot may have to pull its image
        self._settings = dataclasses.replace(settings, max_pulls=settings.slots)
        self._connection = EngineConnection(settings.docker_host)
        self._images = Images(self._connection, self._settings)
        self._capacity = EngineCapacity(self._connection, self._settings)
        self._instances: Instances | None = None

    def find_id(self) -> str:
        """Return a name for the engine that no other has; raises EngineUnavailable.

        Its own ID alone won't do: engines that share one machine's key share that.
        """
        with self._client() as client:
            info = client.info()
        what = "|".join((info["ID"], info["DockerRootDir"], info["Name"]))
        return hashlib.sha256(what.encode()).hexdigest()[:16]

    def prepare(self, service: str, worker: str) -> None:
        """Get ready to start instances that are labelled so; raises EngineUnavailable."""
        self._instances = Instances(self._connection, self._settings, service, worker)
        self._instances.install_starter()

    @property
    def instances(self) -> Instances:
        """The containers; only after `prepare`."""
        assert self._instances is not None
        return self._instances

    def check(self) -> None:
        """Raise EngineUnavailable unless the engine answers."""
        with self._client() as client:
            client.ping()

    def get_image(self, func: Func) -> Image:
        """Return the image that a func's name stands for now, pulled if need be.

        Raises ImageGone and EngineUnavailable.
        """
        try:
            return self._images.get_image(func.config.image)
        except (ImageNotFound, RegistryUnavailable) as error:
            raise ImageGone(error.message) from error

    def has_image(self, func: Func, image: Image) -> bool:
        """Tell whether a func's name still stands for an image. Pulls nothing."""
        found = self._images.find_image(func.config.image)
        return found is not None and found.id == image.id

    def start_instance(self, name: str, func: Func, image: Image) -> Instance:
        """Return an instance of this name, which waits for its frame; it is to be closed.

        Raises NotStarted and ImageGone, the func's own failures, InstanceVanished, and
        EngineUnavailable. Whatever happens, the container is to be removed by its name.
        """
        for _ in range(MAX_STARTS):
            try:
                return self.instances.start(name, func, image, self._capacity.get_capacity())
            except ImageGoneOnEngine:
                self.instances.remove(name)
                self._images.forget(func.config.image)
                image = self.get_image(func)
            except StarterGone:
                self.instances.remove(name)
                self.instances.install_starter()
        raise EngineUnavailable("it loses images or volumes as soon as it has them")

    def get_state(self, name: str) -> InstanceState | None:
        """Return what the engine says of a container, or None when there is none of that name."""
        return self.instances.get_state(name)

    def replay(self, name: str) -> AbstractContextManager[Replay]:
        """Give a container's output from the beginning, and what is still to come."""
        return self.instances.replay(name)

    def kill(self, name: str, seconds: float) -> None:
        """Kill what runs in a container, as far as the engine does it in time."""
        with suppress(EngineUnavailable):  # its removal, which is tried until it is done, kills too
            self.instances.kill(name, seconds)

    def wait_until_stopped(self, name: str) -> None:
        """Return when a container has ended, or when that takes too long."""
        with suppress(EngineUnavailable):
            self.instances.wait_until_stopped(name)

    def _client(self) -> AbstractContextManager[docker.APIClient]:
        return self._connection.client(Deadline(self._settings.engine_timeout_seconds))
