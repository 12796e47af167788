"""Host names and addresses: whose request it is, and whether a name is loopback's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

Network = IPv4Network | IPv6Network


def client_address(environ: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return the nearest address that is no trusted proxy's.

    X-Forwarded-For is read from its end, each entry only while the one after it is trusted. Who
    comes through a unix socket has no address, and is the proxy that was let open it.
    """
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    address = str(environ.get("REMOTE_ADDR", ""))
    while (not address or _is_in(address, trusted)) and forwarded and forwarded[-1].strip():
        address = forwarded.pop().strip()
    return address


def limited_address(address: str) -> str:
    """Return what attempts are counted by: an IPv4 address, or the /64 that one IPv6 host has."""
    parsed = _parse(address)
    if parsed is None:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ip_network((int(parsed), 64), strict=False).network_address)


def host_name(host: str) -> str:
    """Return a Host header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(name: str) -> bool:
    """Tell whether a host is this machine's own loopback, by name or address."""
    if name.lower().rstrip(".") == "localhost":
        return True
    parsed = _parse(name)
    return parsed is not None and parsed.is_loopback


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Return an address, an IPv4 one also where a socket for both writes it as IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
