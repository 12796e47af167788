"""The engine as the worker needs it: instances for calls, their states, leftover containers."""

from __future__ import annotations

import dataclasses
import hashlib
from contextlib import AbstractContextManager, suppress

import docker

from funcsvc.config import Settings
from funcsvc.engine.capacity import EngineCapacity
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.containers.containers import Containers
from funcsvc.engine.containers.networks import find_network, warn_of_communication
from funcsvc.engine.containers.refusals import ImageGoneOnEngine, StarterFailed
from funcsvc.engine.containers.replay import Replay
from funcsvc.engine.images.images import Images
from funcsvc.engine.interfaces import ContainerState, Instance
from funcsvc.model import Func, Image
from funcsvc.model.errors import (
    EngineUnavailable,
    ImageGone,
    ImageNotFound,
    NotStarted,
    RegistryUnavailable,
)

MAX_STARTS = 3
"""How many times a start is tried if the image or starter is gone and has to be restored."""


class DockerWorkerEngine:
    """A WorkerEngine over docker-py."""

    def __init__(self, settings: Settings) -> None:
        # every slot might have to pull an image
        self._settings = dataclasses.replace(settings, max_pulls=settings.slots)
        self._connection = EngineConnection(settings.docker_host)
        self._images = Images(self._connection, self._settings)
        self._capacity = EngineCapacity(self._connection, self._settings)
        self._prepared: Containers | None = None

    def find_id(self) -> str:
        """Hash more than the engine's ID, since engines that share a machine's key share the ID."""
        with self._client() as client:
            info = client.info()
        what = "|".join((info["ID"], info["DockerRootDir"], info["Name"]))
        return hashlib.sha256(what.encode()).hexdigest()[:16]

    def prepare(self, service: str, worker: str) -> None:
        with self._client() as client:
            network = find_network(client, self._settings.network)
        prepared = Containers(self._connection, self._settings, service, worker)
        prepared.find_quota()
        prepared.install_starter()
        prepared.try_starter(self._capacity.get_capacity())
        self._prepared = prepared
        warn_of_communication(network)

    def check(self) -> None:
        with self._client() as client:
            client.ping()

    def get_image(self, func: Func) -> Image:
        try:
            return self._images.get_image(func.config.image)
        except (ImageNotFound, RegistryUnavailable) as error:
            raise ImageGone(error.message) from error

    def has_image(self, func: Func, image: Image) -> bool:
        found = self._images.find_image(func.config.image)
        return found is not None and found.id == image.id

    def start_instance(self, name: str, func: Func, image: Image) -> Instance:
        starter_failed = False
        for _ in range(MAX_STARTS):
            try:
                return self._containers.start(name, func, image, self._capacity.get_capacity())
            except ImageGoneOnEngine:
                self._containers.remove(name)
                self._images.forget(func.config.image)
                image = self.get_image(func)
            except StarterFailed as error:
                self._containers.remove(name)
                was_missing = self._containers.install_starter()
                if starter_failed and not was_missing:  # another thread may have restored it once
                    raise NotStarted(error.reason) from error
                starter_failed = True
        raise EngineUnavailable("it loses images or volumes as soon as it has them")

    def get_state(self, container: str) -> ContainerState | None:
        return self._containers.get_state(container)

    def get_disk_bytes(self, container: str, seconds: float) -> int:
        return self._containers.get_disk_bytes(container, seconds)

    def replay(self, container: str, *, follow: bool) -> AbstractContextManager[Replay]:
        return self._containers.replay(container, follow=follow)

    def kill(self, container: str, seconds: float) -> None:
        with suppress(EngineUnavailable):  # its removal also kills it, and is retried
            self._containers.kill(container, seconds)

    def wait_until_stopped(self, container: str) -> None:
        with suppress(EngineUnavailable):
            self._containers.wait_until_stopped(container)

    def remove(self, container: str) -> None:
        self._containers.remove(container)

    def list_containers(self) -> list[tuple[str, str]]:
        return self._containers.list_containers()

    @property
    def _containers(self) -> Containers:
        assert self._prepared is not None, "prepare comes first"
        return self._prepared

    def _client(self) -> AbstractContextManager[docker.APIClient]:
        return self._connection.client(Deadline(self._settings.engine_timeout_seconds))
