"""Host names and addresses: which client sent a request, and whether a host is loopback."""

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
    """Return the nearest address that isn't a trusted proxy's.

    X-Forwarded-For is read from its end, each entry only if the one after it is trusted. A request
    over a unix socket has no address; it comes from the proxy, which has access to the socket.
    """
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
    address = str(environ.get("REMOTE_ADDR", ""))
    while (not address or _is_in(address, trusted)) and forwarded and forwarded[-1].strip():
        address = forwarded.pop().strip()
    return address


def limited_address(address: str) -> str:
    """Return what attempts are counted by: an IPv4 address, or the /64 network of an IPv6 host."""
    parsed = _parse(address)
    if parsed is None:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    return str(ip_network((int(parsed), 64), strict=False).network_address)


def host_name(host: str) -> str:
    """Return a Host header without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(name: str) -> bool:
    """Tell whether a host name or address is loopback."""
    if name.lower().rstrip(".") == "localhost":
        return True
    parsed = _parse(name)
    return parsed is not None and parsed.is_loopback


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Return an address, or None. IPv4 as a dual-stack socket shows it (::ffff:…) becomes IPv4."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
