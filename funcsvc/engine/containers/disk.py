"""What a container writes to the engine's disk: the engine's own bound, and how much it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import docker
import requests

from funcsvc.engine.connection import DeadlineClient


class FilesUncounted(Exception):
    """Raised when the engine could not count what a container's layer has in the time given."""


class LayerQuota:
    """The engine's own bound of a container's layer, which not every engine has.

    Only overlay2 on xfs has one that is of use: elsewhere a quota counts the image too, or means
    nothing. Whether xfs was mounted with `pquota` shows when a container is created.
    """

    def __init__(self, max_bytes: int) -> None:
        self._bytes = max_bytes
        self._is_taken = False

    def rule_out(self, info: Mapping[str, Any]) -> None:
        """Do without it if the engine says of itself that it can't have one."""
        status = map(tuple, info["DriverStatus"] or ())
        if info["Driver"] != "overlay2" or ("Backing Filesystem", "xfs") not in status:
            self._bytes = 0

    def apply(self, create: Callable[[int], None]) -> None:
        """Create a container with a quota in bytes, 0 for none.

        What the engine refuses is tried without, until it has taken one. If it refuses nothing but
        the quota, it isn't asked for one again.
        """
        try:
            create(self._bytes)
        except docker.errors.APIError:
            if self._is_taken or not self._bytes:
                raise
            create(0)
            self._bytes = 0
        else:
            self._is_taken = bool(self._bytes)


class DiskMeter:
    """Asks the engine what containers have written. Safe to share between threads."""

    def __init__(self) -> None:
        self._volumes_lock = threading.Lock()

    def measure(self, client: DeadlineClient, name: str) -> int:
        """Return how many bytes a running container has written, to its layer and its own volumes.

        The engine counts the bytes of the files that are there, in a time that grows with their
        number. Raises FilesUncounted if the client's deadline is too soon for those of the layer.
        """
        url = client._url("/containers/{0}/json", name)
        try:
            found: Any = client._result(client._get(url, params={"size": 1}), True)
        except docker.errors.NotFound:
            return 0
        except requests.exceptions.Timeout as error:
            raise FilesUncounted from error
        if not found["State"]["Running"]:
            return 0
        return int(found.get("SizeRw", 0)) + self._measure_volumes(client, _own_volumes(found))

    def _measure_volumes(self, client: DeadlineClient, names: set[str]) -> int:
        """Measure volumes, for one container at a time: an engine can refuse two at once."""
        if not names:
            return 0
        if not self._volumes_lock.acquire(timeout=client.deadline.remaining_seconds()):
            raise TimeoutError
        try:
            return _measure_volumes(client, names)
        finally:
            self._volumes_lock.release()


def _own_volumes(found: Mapping[str, Any]) -> set[str]:
    """Return the volumes that its image has given a container, which are removed with it.

    What is in those of another container is counted nowhere, since the func may share them.
    """
    if found["HostConfig"]["VolumesFrom"]:
        return set()
    return {it["Name"] for it in found["Mounts"] if it["Type"] == "volume" and it["RW"]}


def _measure_volumes(client: DeadlineClient, names: set[str]) -> int:
    url = client._url("/system/df")  # which knows no single volume
    found: Any = client._result(client._get(url, params={"type": "volume"}), True)
    volumes = (it for it in found["Volumes"] or () if it["Name"] in names)
    return sum(max(0, it["UsageData"]["Size"]) for it in volumes)
