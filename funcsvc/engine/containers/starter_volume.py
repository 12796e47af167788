"""The starter on an engine: a volume with nothing else in it, mounted read-only by all containers.

Copying it into each container would cost every call about 30 ms, and isn't possible if the root is
read-only.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from uuid import uuid4

import docker

from funcsvc.config import Settings
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.containers.options import STARTER_PATH
from funcsvc.model import STARTER_FOLDER
from funcsvc.model.errors import EngineUnavailable
from funcsvc.starter import starter_architecture, starter_binary

_INSTALL_SECONDS = 60
_REMOVE_SECONDS = 30

_NAME = "funcsvc-starter-"

CARRIER_LABEL = "funcsvc.carrier"
"""Marks what exists only while the starter is installed."""

_FORGOTTEN_SECONDS = 600
"""The age at which a carrier or its image is abandoned. Both are needed for a tenth of that."""


class StarterVolume:
    """The volume. Its name has the digest of what it holds, so that several versions can exist."""

    def __init__(self, connection: EngineConnection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._binary = starter_binary()
        self.name = f"{_NAME}{hashlib.sha256(self._binary).hexdigest()[:12]}"

    def install(self) -> bool:
        """Make sure that the engine has the volume with the whole starter in it.

        Return whether it was missing. A volume can be looked into and filled only through a
        container, the carrier, which is never started. Raises EngineUnavailable.
        """
        name = f"{self.name}-{uuid4().hex[:8]}"
        with (
            self.carrier_image() as image,
            self._connection.client(Deadline(_INSTALL_SECONDS)) as client,
        ):
            self._check_architecture(client)
            remove_forgotten(client, time.time() - _FORGOTTEN_SECONDS)
            try:
                client.create_container_from_config(self._carrier(image), name)
                return self._fill(client, name)
            finally:
                self._clear("remove_container", name)

    @contextlib.contextmanager
    def carrier_image(self) -> Iterator[str]:
        """Give a nearly empty image, which is removed afterwards."""
        with self._connection.client(Deadline(_INSTALL_SECONDS)) as client:
            image = _import_carrier(client)
        try:
            yield image
        finally:
            self._clear("remove_image", image)

    def _clear(self, removal: str, what: str) -> None:
        """Remove a carrier or its image, with a deadline of its own."""
        with (
            self._connection.client(Deadline(_REMOVE_SECONDS)) as client,
            contextlib.suppress(docker.errors.APIError),
        ):
            getattr(client, removal)(what, force=True)

    def _check_architecture(self, client: docker.APIClient) -> None:
        architecture = client.version()["Arch"]
        if architecture != starter_architecture():
            raise EngineUnavailable(
                f"its architecture is {architecture}, but the starter was built for "
                f"{starter_architecture()}"
            )

    def _carrier(self, image: str) -> dict[str, object]:
        mount = {"Type": "volume", "Source": self.name, "Target": STARTER_FOLDER}
        return {
            "Image": image,
            "Entrypoint": [STARTER_PATH],
            "Labels": {CARRIER_LABEL: "1"},
            "HostConfig": {"Mounts": [mount], "NetworkMode": "none"},
        }

    def _fill(self, client: docker.APIClient, name: str) -> bool:
        if self._is_whole(client, name):
            return False
        client.put_archive(name, STARTER_FOLDER, _tar("starter", self._binary))
        if not self._is_whole(client, name):
            raise EngineUnavailable("it did not take the starter")
        return True

    def _is_whole(self, client: docker.APIClient, name: str) -> bool:
        try:
            chunks, status = client.get_archive(name, STARTER_PATH)
        except docker.errors.NotFound:
            return False
        if status["size"] != len(self._binary):
            return False
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.extractfile("starter")
            return member is not None and member.read() == self._binary


def _import_carrier(client: docker.APIClient) -> str:
    """Import a nearly empty image to create the carrier from."""
    said = client.import_image_from_data(_tar("carrier", b""), changes=[f"LABEL {CARRIER_LABEL}=1"])
    image: str = json.loads(said.splitlines()[-1])["status"]
    return image


def remove_forgotten(client: docker.APIClient, before: float) -> None:
    """Remove the carriers and images that killed installations and trials made before a time.

    They are known by their names, and by having none, too, since other images and a func's
    definition could have the label. The engine keeps an image that a container uses.
    """
    labelled = {"label": [CARRIER_LABEL]}
    for found in client.containers(all=True, filters={**labelled, "status": ["created"]}):
        if found["Names"][0].startswith(f"/{_NAME}") and found["Created"] < before:
            with contextlib.suppress(docker.errors.APIError):
                client.remove_container(found["Id"])
    for found in client.images(filters={**labelled, "dangling": ["true"]}):
        if found["Created"] < before:
            with contextlib.suppress(docker.errors.APIError):
                client.remove_image(found["Id"])


def _tar(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o755
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()
