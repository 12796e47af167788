"""A network bridge for an engine of our own.

Engines that share docker0 give the same address to two containers, and one that is told to do
without a bridge removes docker0 from under the others. So each engine of ours has its own.
"""

import ipaddress
import random
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.machine import as_root, firewall

RANGE = ipaddress.IPv4Network("198.18.0.0/15")
"""Set aside for tests by RFC 2544: nobody's own network is in it."""

INTERFACES = Path("/sys/class/net")


class NoBridge(Exception):
    """Raised when this machine allows no bridge, and an engine without one would do harm."""


def make(name: str) -> str:
    """Make a bridge in a free network, and return what dockerd is told.

    That is `none` where this machine allows no bridge. Raises NoBridge when it also has docker0.
    """
    remove(name)
    network = free_network(_routes())
    steps = (
        ("link", "add", name, "type", "bridge"),
        ("address", "add", f"{network[1]}/{network.prefixlen}", "dev", name),
        ("link", "set", name, "up"),
    )
    is_made = all(as_root.run("ip", *step, check=False).returncode == 0 for step in steps)
    if not is_made and (INTERFACES / "docker0").exists():
        raise NoBridge("No network bridge can be made for an engine here: `ip link add` fails.")
    return name if is_made else "none"


def remove(name: str) -> None:
    """Remove a bridge, if it is there, with its ports and the rules that its engine made for it."""
    if not (INTERFACES / name).exists():
        return
    for port in (INTERFACES / name / "brif").glob("*"):  # of containers that were killed
        as_root.run("ip", "link", "delete", port.name, check=False)
    as_root.run("ip", "link", "delete", name, check=False)
    firewall.remove_rules(name)


def free_network(routes: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """Return a network that overlaps no route, but for those around the whole range.

    The default route is one, and a VPN's half of the internet. The network is a random one, so that
    two engines that start at once seldom take the same.
    """
    used = [route for route in routes if not route.supernet_of(RANGE)]
    networks = [*RANGE.subnets(new_prefix=24)]
    random.shuffle(networks)
    return next(net for net in networks if not any(net.overlaps(route) for route in used))


def _routes() -> Iterator[ipaddress.IPv4Network]:
    """Addresses in /proc/net/route are little-endian hexadecimal."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (socket.inet_ntoa(struct.pack("=L", int(fields[i], 16))) for i in (1, 7))
        yield ipaddress.IPv4Network(f"{address}/{mask}")
