"""How many calls of one func can run at once, by what the operator says and by its host ports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any


def max_running(definition: Mapping[str, Any], max_running_setting: int) -> int:
    """Return the smallest of what limits a func, or 0 where nothing does.

    `definition` is the stored document. A container holds its host ports for as long as it is
    there, so of a fixed port or range only so many containers can be at once.
    """
    limits = [max_running_setting, *_limits_of_ports(definition["HostConfig"])]
    return min((limit for limit in limits if limit > 0), default=0)


def _limits_of_ports(host_config: Mapping[str, Any]) -> Iterator[int]:
    """Yield for each fixed range how many containers find ports in it.

    Bindings that share a range take a port of it each. A container in the host's network publishes
    nothing: the engine ignores its bindings.
    """
    if host_config.get("NetworkMode") == "host":
        return
    takers = Counter(
        (binding["HostIp"], binding["HostPort"], port.rpartition("/")[2])
        for port, bindings in host_config.get("PortBindings", {}).items()
        for binding in bindings
        if binding["HostPort"]
    )
    for (_, host_port, _), taken_by_each in takers.items():
        yield max(1, _ports_in(host_port) // taken_by_each)


def _ports_in(host_port: str) -> int:
    """Return how many ports `8000` or `8000-8010` has."""
    first, _, last = host_port.partition("-")
    return int(last or first) - int(first) + 1
