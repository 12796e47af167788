"""The engine's CPUs and memory, compared with what a container size needs."""

from __future__ import annotations

from funcsvc.config import Settings
from funcsvc.engine.answer_cache import AnswerCache
from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.model import MEGABYTE, Capacity, Size
from funcsvc.model.errors import SizeTooLarge


class EngineCapacity:
    """The CPUs and memory of one engine. With the setting `cap_cpus`, too few CPUs are accepted."""

    def __init__(self, connection: EngineConnection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._answers: AnswerCache[Capacity] = AnswerCache(settings.engine_remember_seconds)

    def check_size(self, size: Size) -> None:
        """Raise SizeTooLarge unless the engine can hold a container of this size."""
        check_size(size, self.get_capacity(), cap_cpus=self._settings.cap_cpus)

    def get_capacity(self) -> Capacity:
        """Return what the engine has, cached for a few seconds."""
        return self._answers.get("capacity", self._ask)

    def _ask(self) -> Capacity:
        with self._connection.client(Deadline(self._settings.engine_timeout_seconds)) as client:
            info = client.info()
            return Capacity(cpus=int(info["NCPU"]), memory_bytes=int(info["MemTotal"]))


def check_size(size: Size, capacity: Capacity, *, cap_cpus: bool) -> None:
    """Raise SizeTooLarge unless a container of this size fits the capacity."""
    if size.cpus > capacity.cpus and not cap_cpus:
        raise SizeTooLarge(
            size.name, f"it needs {size.cpus} CPUs, and the engine has {capacity.cpus}"
        )
    if size.memory_bytes > capacity.memory_bytes:
        wanted, there = size.memory_bytes // MEGABYTE, capacity.memory_bytes // MEGABYTE
        raise SizeTooLarge(
            size.name, f"it needs {wanted} MB of memory, and the engine has {there} MB"
        )
