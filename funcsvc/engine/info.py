"""What the engine says of itself, without what would tell of its host: names, paths, addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN = (
    "Containers",
    "ContainersRunning",
    "ContainersPaused",
    "ContainersStopped",
    "Images",
    "Driver",
    "LoggingDriver",
    "CgroupDriver",
    "CgroupVersion",
    "MemoryLimit",
    "SwapLimit",
    "KernelMemory",
    "CpuCfsPeriod",
    "CpuCfsQuota",
    "CPUShares",
    "CPUSet",
    "PidsLimit",
    "OomKillDisable",
    "IPv4Forwarding",
    "BridgeNfIptables",
    "BridgeNfIp6tables",
    "Debug",
    "NFd",
    "NGoroutines",
    "NEventsListener",
    "SystemTime",
    "KernelVersion",
    "OperatingSystem",
    "OSVersion",
    "OSType",
    "Architecture",
    "IndexServerAddress",
    "NCPU",
    "MemTotal",
    "ServerVersion",
    "ExperimentalBuild",
    "LiveRestoreEnabled",
)
"""Fields of `GET /info` that clients read, each a number, a boolean or a word of the engine's own.

Left out are Name, ID, Labels, DockerRootDir, DriverStatus, Runtimes, SecurityOptions (a profile's
path), Plugins, RegistryConfig, the proxies, Swarm, Warnings, and whatever newer engines add."""


def shown_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the engine's answer that clients may see."""
    return {key: info[key] for key in SHOWN if isinstance(info.get(key), str | int)}
