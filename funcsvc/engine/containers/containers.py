"""The containers of one worker on one engine: started, inspected, replayed, killed, removed.

A container's name is random and chosen before the engine is asked for it, so that a container that
was created after its client had given up can be found and removed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import docker

from funcsvc.config import Settings
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.containers.disk import DiskMeter, LayerQuota
from funcsvc.engine.containers.instance import AttachedInstance
from funcsvc.engine.containers.options import Wanted, container_options
from funcsvc.engine.containers.refusals import (
    ImageGoneOnEngine,
    InstanceVanished,
    StarterFailed,
    explained,
)
from funcsvc.engine.containers.replay import Replay
from funcsvc.engine.containers.starter_volume import StarterVolume
from funcsvc.engine.interfaces import ContainerState
from funcsvc.model import (
    DEFAULT_TIMEOUT_SECONDS,
    SIZES,
    Capacity,
    Config,
    Func,
    HostConfig,
    Image,
    parse_image_reference,
    rule_for_links,
)
from funcsvc.model.errors import EngineUnavailable, NotStarted

SERVICE_LABEL = "funcsvc.service"


WORKER_LABEL = "funcsvc.worker"


FUNC_LABEL = "funcsvc.func"


_NEVER = "0001-01-01T"
"""How the engine words the time of what hasn't happened."""

NO_FRAME = 125
"""The exit code of a starter that got no frame."""

MAX_REASON_CHARACTERS = 1000
"""How much of an engine's sentence is logged."""

_TRIAL = Func(
    name="trial",
    size=next(iter(SIZES.values())),
    timeout_seconds=DEFAULT_TIMEOUT_SECONDS,
    uuid="",
    created=datetime.now(UTC),
    config=Config(parse_image_reference("trial")),
    host_config=HostConfig(network_mode="none"),
)
"""A func that is never called, to see whether the engine starts containers at all."""


class Containers:
    """The containers of one worker on one engine. Safe to share between threads."""

    def __init__(
        self, connection: EngineConnection, settings: Settings, service: str, worker: str
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._starter = StarterVolume(connection, settings)
        self._quota = LayerQuota(settings.max_disk_bytes)
        self._disk = DiskMeter()
        self._labels = {SERVICE_LABEL: service, WORKER_LABEL: worker}

    def find_quota(self) -> None:
        """Find out whether the engine might bound a container's layer. Raises EngineUnavailable."""
        with self._client() as client:
            self._quota.rule_out(client.info())

    def install_starter(self) -> bool:
        """Install the starter on the engine, and return whether it was missing.

        Raises EngineUnavailable.
        """
        return self._starter.install()

    def try_starter(self, capacity: Capacity) -> None:
        """Start a container of the starter alone, as for a call, and remove it.

        Raises EngineUnavailable with the reason if that fails, as it then would for every call.
        """
        name = f"funcsvc-{uuid4().hex}"
        with self._starter.carrier_image() as image_id:
            try:
                self._try(name, Image(image_id, cmd=(), entrypoint=()), capacity)
            except (NotStarted, StarterFailed, ImageGoneOnEngine, InstanceVanished) as error:
                said = getattr(error.__cause__, "explanation", error.__cause__)
                reason = " ".join(str(said).split())[:MAX_REASON_CHARACTERS]
                raise EngineUnavailable(f"it can't start a container: {reason}") from error
            finally:
                self.remove(name)

    def _try(self, name: str, image: Image, capacity: Capacity) -> None:
        """Start a starter and close its input, at which it ends by itself."""
        self.start(name, _TRIAL, image, capacity).close()
        self.wait_until_stopped(name)
        state = self.get_state(name)
        if state and state.exit_code != NO_FRAME:
            raise EngineUnavailable(f"its containers can't run the starter ({state.exit_code})")

    def start(self, name: str, func: Func, image: Image, capacity: Capacity) -> AttachedInstance:
        """Create, attach to and start a container, which then waits for its frame.

        Raises NotStarted and NotStartedYet, ImageGoneOnEngine, StarterFailed, InstanceVanished and
        EngineUnavailable. Even then, the container must be removed by name.
        """
        self._check_links(func)
        instance = AttachedInstance(name, func, image)
        wanted = Wanted(
            func=func,
            image=image,
            capacity=capacity,
            settings=self._settings,
            starter_volume=self._starter.name,
            labels={**self._labels, FUNC_LABEL: func.name},
        )
        deadline = Deadline(self._settings.engine_start_seconds)
        try:
            root = self._connection.find_data_root(deadline)
            refused = explained(name, func, self._settings.network, root)
            with self._connection.client(deadline) as client, refused:
                self._create(client, wanted, name)
                instance.attach(self._connection.stream_client(deadline))
                client.start(name)
        except BaseException:
            instance.close()
            raise
        return instance

    def get_state(self, name: str) -> ContainerState | None:
        """Return the state of a container, or None if there is no container with this name."""
        with self._client() as client:
            try:
                state = client.inspect_container(name)["State"]
            except docker.errors.NotFound:
                return None
        return ContainerState(
            is_running=bool(state["Running"]) and state["FinishedAt"].startswith(_NEVER),
            exit_code=int(state["ExitCode"]),
            out_of_memory=bool(state["OOMKilled"]),
        )

    def get_disk_bytes(self, name: str, seconds: float) -> int:
        """Return how many bytes a container has on the engine's disk; 0 unless it is running.

        Raises FilesUncounted.
        """
        with self._connection.client(Deadline(seconds)) as client:
            return self._disk.measure(client, name)

    @contextmanager
    def replay(self, name: str, *, follow: bool) -> Iterator[Replay]:
        """Open a container's output, from its beginning and, to follow it, to its end.

        Raises EngineUnavailable, also if there is no such container.
        """
        with self._connection.translated():
            client = self._connection.stream_client(Deadline(self._settings.engine_timeout_seconds))
            with client, closing(Replay(client, name, follow=follow)) as replay:
                yield replay

    def kill(self, name: str, seconds: float) -> None:
        """Kill what runs in a container. Does nothing if it is gone or has ended."""
        with self._connection.client(Deadline(seconds)) as client:
            try:
                client.kill(name, "SIGKILL")
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def wait_until_stopped(self, name: str) -> None:
        """Wait until a container has stopped. Raises EngineUnavailable if that takes too long."""
        with self._client() as client:
            client.wait(name)

    def remove(self, name: str) -> None:
        """Remove a container and its volumes. Does nothing if it is gone or being removed."""
        with self._connection.client(Deadline(self._settings.engine_start_seconds)) as client:
            try:
                client.remove_container(name, v=True, force=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def list_containers(self) -> list[tuple[str, str]]:
        """Return the name and the worker of every container of this service on the engine."""
        label = f"{SERVICE_LABEL}={self._labels[SERVICE_LABEL]}"
        with self._client() as client:
            found = client.containers(all=True, filters={"label": [label]})
        return [(one["Names"][0].lstrip("/"), one["Labels"][WORKER_LABEL]) for one in found]

    def _check_links(self, func: Func) -> None:
        """Raise NotStarted if a func was defined before the operator named a network."""
        if rule := rule_for_links(func.host_config, self._settings.network):
            raise NotStarted(f"HostConfig.Links {rule}")  # without values: callers may not see them

    def _create(self, client: docker.APIClient, wanted: Wanted, name: str) -> None:
        def create(quota_bytes: int) -> None:
            body = container_options(dataclasses.replace(wanted, quota_bytes=quota_bytes))
            client.create_container_from_config(body, name)

        self._quota.apply(create)

    def _client(self) -> Any:
        return self._connection.client(Deadline(self._settings.engine_timeout_seconds))
