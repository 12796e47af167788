"""Options that are valid alone but refused together, as the Docker Engine refuses them.

The rules are those of the engine's POST /containers/create (daemon/container verification); a
contract test compares them with a real engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from funcsvc.model import MAX_PUBLISHED_PORTS, Broken, HostConfig
from funcsvc.model.errors import show

_IN_CONTAINER_MODE: dict[str, Any] = {
    "properties": {"NetworkMode": {"type": "string", "pattern": "^container:"}},
    "required": ["NetworkMode"],
}
_NO_ENTRIES: dict[str, Any] = {"additionalProperties": {"type": "null"}}

NETWORK_RULES: dict[str, Any] = {
    "allOf": [
        {
            "if": {"properties": {"NetworkMode": {"enum": ["bridge", None]}}},
            "else": {"properties": {"Links": {"maxItems": 0}}},
        },
        {
            "if": _IN_CONTAINER_MODE,
            "then": {
                "properties": {
                    "PortBindings": _NO_ENTRIES,
                    "PublishAllPorts": {"enum": [False, None]},
                }
            },
        },
    ]
}
"""The rules of `broken_by_network`, as JSON Schema for a HostConfig."""

TOGETHER_RULES: dict[str, Any] = {
    "if": {"properties": {"HostConfig": _IN_CONTAINER_MODE}, "required": ["HostConfig"]},
    "then": {"properties": {"Config": {"properties": {"ExposedPorts": _NO_ENTRIES}}}},
}
"""The rules of `broken_together`, as JSON Schema for a definition."""


def broken_by_network(host_config: HostConfig) -> Iterator[Broken]:
    """Yield an error for each option of a HostConfig that conflicts with its network mode."""
    mode = host_config.network_mode
    if host_config.links and mode != "bridge":
        yield (
            "HostConfig.Links",
            f'is {show(host_config.links)}, but links can\'t be used with NetworkMode "{mode}".',
        )
    if not mode.startswith("container:"):
        return
    rule = f"ports can't be published with NetworkMode \"{mode}\", which is another container's."
    if host_config.port_bindings:
        ports = show(list(host_config.port_bindings))
        yield ("HostConfig.PortBindings", f"publishes {ports}, but {rule}")
    if host_config.publish_all_ports:
        yield ("HostConfig.PublishAllPorts", f"is true, but {rule}")


def broken_together(exposed_ports: Sequence[str], host_config: HostConfig) -> Iterator[Broken]:
    """Yield an error for each option of a Config that conflicts with the HostConfig."""
    mode = host_config.network_mode
    if exposed_ports and mode.startswith("container:"):
        yield (
            "Config.ExposedPorts",
            f'is {show(exposed_ports)}, but ports can\'t be exposed with NetworkMode "{mode}".',
        )


def broken_by_ports(exposed_ports: Sequence[str], host_config: HostConfig) -> Iterator[Broken]:
    """Yield an error if too many ports are published, or more than there are on the host."""
    published = host_config.count_published(exposed_ports)
    if published > MAX_PUBLISHED_PORTS:
        option = "PublishAllPorts" if host_config.publish_all_ports else "PortBindings"
        yield (
            f"HostConfig.{option}",
            f"publishes {published} ports, but must publish at most {MAX_PUBLISHED_PORTS}.",
        )
        return
    for ports, count in islice(host_config.overbooked, 1):
        yield (
            "HostConfig.PortBindings",
            f"publishes {count} times on {show(ports)} or what overlaps it, but each needs a host "
            "port of its own.",
        )
