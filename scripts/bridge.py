"""A network bridge for an engine of our own.

Engines that share docker0 give the same address to two containers, and one that is told to do
without a bridge removes docker0 from under the others. So each engine of ours has its own.
"""

import ipaddress
import itertools
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import places

RANGES = ("10.213.0.0/16", "192.168.0.0/16", "172.16.0.0/12")


def name_of(purpose: str) -> str:
    """A name of an interface has at most 15 characters."""
    return places.runtime_folder(purpose).name.replace("funcsvc-", "func-")


def make(purpose: str) -> bool:
    """Make the bridge of a purpose; whether this machine let us."""
    remove(purpose)
    network = free_network()
    gateway = f"{network[1]}/{network.prefixlen}"
    name = name_of(purpose)
    steps = (
        ("ip", "link", "add", name, "type", "bridge"),
        ("ip", "address", "add", gateway, "dev", name),
        ("ip", "link", "set", name, "up"),
    )
    return all(_run(*step).returncode == 0 for step in steps)


def remove(purpose: str) -> None:
    """Remove the bridge of a purpose, if there is one, with the rules its engine made for it."""
    name = name_of(purpose)
    if not Path("/sys/class/net", name).exists():
        return
    _run("ip", "link", "delete", name)
    for table in ("nat", "filter"):
        for rule in _run("iptables", "-w", "-t", table, "-S").stdout.splitlines():
            append, *words = rule.split()
            if append == "-A" and name in words:
                _run("iptables", "-w", "-t", table, "-D", *words)


def free_network() -> ipaddress.IPv4Network:
    """The first private network that overlaps no route of this machine."""
    used = list(_routes())
    subnets = (ipaddress.IPv4Network(range_).subnets(new_prefix=24) for range_ in RANGES)
    candidates = itertools.chain.from_iterable(subnets)
    return next(net for net in candidates if not any(net.overlaps(route) for route in used))


def _routes() -> Iterator[ipaddress.IPv4Network]:
    """All but the default one; in /proc/net/route addresses are little-endian hexadecimal."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (socket.inet_ntoa(struct.pack("=L", int(fields[i], 16))) for i in (1, 7))
        if mask != "0.0.0.0":
            yield ipaddress.IPv4Network(f"{address}/{mask}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        # through env, for a program that isn't there is then a failure like any other
        places.as_root("env", f"PATH={path}", *command),
        check=False,
        capture_output=True,
        text=True,
    )
