"""Where the ports of a container are published on its host, and how many containers fit there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_PUBLISHED_PORTS = 256
"""Each takes the engine some 7 ms when a container starts."""

EVERY_ADDRESS = (IPv4Address(0), IPv6Address(0))
"""What the engine takes an empty HostIp for, or one that it can't parse."""


@dataclass(frozen=True, slots=True)
class PortBinding:
    """Where a container port is published. An empty string leaves the choice to the engine."""

    host_ip: str = ""
    host_port: str = ""


PortBindings = Mapping[str, Sequence[PortBinding]]


@dataclass(frozen=True, slots=True)
class HostPorts:
    """A port or a range of them, `text`, from which a binding takes one on an address."""

    text: str
    protocol: str
    address: IPv4Address | IPv6Address
    first: int
    last: int

    @property
    def number(self) -> int:
        """How many ports they are."""
        return self.last - self.first + 1

    def meet(self, others: HostPorts) -> bool:
        """Tell whether one of these ports can be one of the others, too."""
        return (
            self.first <= others.last
            and others.first <= self.last
            and self.protocol == others.protocol
            and _meet(self.address, others.address)
        )


def count_takers(bindings: PortBindings) -> Mapping[HostPorts, int]:
    """Return all host ports that bindings fix, and how many bindings could take one of them.

    As the engine starts them in any order, each binding surely gets a port only from a range that
    has one for every taker.
    """
    wanted = Counter(
        ports
        for port, bound in bindings.items()
        for one in bound
        if one.host_port
        for ports in _host_ports(port.rpartition("/")[2], one)
    )
    return {
        ports: sum(count for others, count in wanted.items() if ports.meet(others))
        for ports in wanted
    }


def _host_ports(protocol: str, binding: PortBinding) -> Iterator[HostPorts]:
    first, _, last = binding.host_port.partition("-")
    for address in _addresses(binding.host_ip):
        yield HostPorts(binding.host_port, protocol, address, int(first), int(last or first))


def _addresses(text: str) -> Sequence[IPv4Address | IPv6Address]:
    """Return the addresses that a HostIp means: of both families if it is empty."""
    try:
        address = ip_address(text)
    except ValueError:
        return EVERY_ADDRESS
    return [getattr(address, "ipv4_mapped", None) or address]


def _meet(one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address) -> bool:
    """Tell whether two addresses are one, or one is every address of the other's family."""
    has_wildcard = one.is_unspecified or other.is_unspecified
    return one == other or (has_wildcard and one.version == other.version)
