"""Container sizes: the ten presets, and the capacity of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Size:
    """A container-size preset: hard limits on each container of a func.

    `cpus` is a number of CPUs; `memory_bytes` is all the memory, with no swap on top.
    """

    name: str
    cpus: int
    memory_bytes: int


SIZES: Mapping[str, Size] = {
    name: Size(name, cpus, megabytes * MEGABYTE)
    for name, cpus, megabytes in (
        ("s1", 1, 64),
        ("s2", 1, 128),
        ("s3", 1, 256),
        ("s4", 1, 512),
        ("m1", 1, 1024),
        ("m2", 2, 2048),
        ("m3", 2, 4096),
        ("l1", 4, 4096),
        ("l2", 4, 8192),
        ("l3", 8, 16384),
    )
}


DEFAULT_SIZE = "s4"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What an engine has in total: its number of CPUs, and its memory in bytes."""

    cpus: int
    memory_bytes: int
