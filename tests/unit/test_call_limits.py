"""How many calls of a func may run at once, by the operator's limit and by its host ports."""

from __future__ import annotations

import pytest

from funcsvc.model import max_running


def definition(network_mode: str = "bridge", **ports: list[str]) -> dict:
    """Return a definition; `tcp80=["8000"]` binds 80/tcp."""
    bindings = {
        f"{key[3:]}/{key[:3]}": [{"HostIp": "", "HostPort": text} for text in texts]
        for key, texts in ports.items()
    }
    return {"HostConfig": {"NetworkMode": network_mode, "PortBindings": bindings}}


@pytest.mark.parametrize(
    ("ports", "limit"),
    [
        ({}, 0),
        ({"tcp80": [""]}, 0),
        ({"tcp80": ["8000"]}, 1),
        ({"tcp80": ["8000-8000"]}, 1),
        ({"tcp80": ["8000-8001"]}, 2),
        ({"tcp80": ["8000-8010"]}, 11),
        ({"tcp80": ["1-65535"]}, 65535),
        ({"tcp80": ["8000-8010"], "tcp81": [""]}, 11),
        ({"tcp80": ["8000-8010"], "tcp81": ["9000-9001"]}, 2),
        ({"tcp80": ["8000-8010"], "tcp81": ["8000-8010"]}, 5),
        ({"tcp80": ["8000-8010", "8000-8010"]}, 5),
        ({"tcp80": ["8000", "8000"]}, 1),
        ({"tcp80": ["8000-8010"], "udp80": ["8000-8010"]}, 11),
    ],
)
def test_fixed_ports_limit_a_func(ports, limit):
    assert max_running(definition(**ports), 0) == limit


@pytest.mark.parametrize(
    ("port", "setting", "limit"),
    [("8000", 0, 1), ("8000", 5, 1), ("8000-8010", 5, 5), ("8000-8010", 20, 11), ("", 7, 7)],
)
def test_smallest_limit_holds(port, setting, limit):
    assert max_running(definition(tcp80=[port]), setting) == limit


def test_containers_in_the_hosts_network_publish_nothing():
    assert max_running(definition("host", tcp80=["8000"]), 0) == 0


def test_func_without_bindings_has_no_limit():
    assert max_running({"HostConfig": {"NetworkMode": "bridge"}}, 0) == 0


def test_same_range_on_two_addresses_is_two_ranges():
    bindings = [{"HostIp": ip, "HostPort": "8000-8003"} for ip in ("10.0.0.1", "10.0.0.2")]
    assert max_running({"HostConfig": {"PortBindings": {"80/tcp": bindings}}}, 0) == 4
