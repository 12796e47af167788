"""Pairs of port bindings: whether both surely get a host port. Tests say so of rules and engine.

A binding is written as address, space and host ports, in which P and Q are two ports in a row.
"""

from __future__ import annotations

OVERLAPPING = [
    ("tcp P", "tcp P"),
    ("tcp P", "tcp 0.0.0.0 P"),
    ("tcp P", "tcp :: P"),
    ("tcp P", "tcp ::1 P"),
    ("tcp 127.0.0.1 P", "tcp P"),
    ("tcp 127.0.0.1 P", "tcp 0.0.0.0 P"),
    ("tcp 127.0.0.1 P", "tcp ::ffff:127.0.0.1 P"),
    ("tcp ::1 P", "tcp 0:0:0:0:0:0:0:1 P"),
    ("tcp ::1 P", "tcp :: P"),
    ("tcp P", "tcp P-P"),
    ("udp P", "udp 127.0.0.1 P"),
]
"""Of these, the engine refuses one."""

RACING = [
    ("tcp P", "tcp P-Q"),
    ("tcp Q", "tcp P-Q"),
    ("tcp 127.0.0.1 P", "tcp 0.0.0.0 P-Q"),
]
"""Of these, the engine refuses one if the other one's port came first."""

APART = [
    ("tcp P", "tcp Q"),
    ("tcp P", "udp P"),
    ("tcp 0.0.0.0 P", "tcp :: P"),
    ("tcp 127.0.0.1 P", "tcp 127.0.0.2 P"),
    ("tcp 127.0.0.1 P", "tcp ::1 P"),
    ("tcp 127.0.0.1 P", "tcp :: P"),
    ("tcp P-Q", "tcp P-Q"),
    ("tcp P", "tcp "),
]


def bindings_of(pair: tuple[str, str], port: int) -> dict[str, list[dict[str, str]]]:
    """Return the PortBindings of a pair, of which P is this port."""
    made = {}
    for number, text in enumerate(pair):
        protocol, _, rest = text.partition(" ")
        address, _, ports = rest.rpartition(" ")
        ports = ports.replace("P", str(port)).replace("Q", str(port + 1))
        made[f"{80 + number}/{protocol}"] = [{"HostIp": address, "HostPort": ports}]
    return made
