"""How many instances a func can have at once, and whether any can wait for its calls."""

from __future__ import annotations

import pytest

from funcsvc.model import Func
from funcsvc.schemas import FuncSchema


def func_with(**host_config: object) -> Func:
    return FuncSchema().load_new({"Name": "a", "Config": {"Image": "i"}, "HostConfig": host_config})


def func(network_mode: str = "bridge", **ports: list[str]) -> Func:
    """Return a func, where `tcp80=["8000"]` binds port 80/tcp to 8000."""
    bindings = {
        f"{key[3:]}/{key[:3]}": [{"HostIp": "", "HostPort": text} for text in texts]
        for key, texts in ports.items()
    }
    return func_with(NetworkMode=network_mode, PortBindings=bindings)


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
        ({"tcp80": ["8000-8010"], "udp80": ["8000-8010"]}, 11),
    ],
)
def test_fixed_ports_limit_a_func(ports, limit):
    assert func(**ports).max_running(0) == limit


@pytest.mark.parametrize(
    ("port", "setting", "limit"),
    [("8000", 0, 1), ("8000", 5, 1), ("8000-8010", 5, 5), ("8000-8010", 20, 11), ("", 7, 7)],
)
def test_smallest_limit_holds(port, setting, limit):
    assert func(tcp80=[port]).max_running(setting) == limit


def test_containers_in_the_hosts_network_publish_nothing():
    assert func("host", tcp80=["8000"]).max_running(0) == 0


def test_func_without_bindings_has_no_limit():
    assert func_with(NetworkMode="bridge").max_running(0) == 0


def test_same_range_on_two_addresses_is_two_ranges():
    bindings = [{"HostIp": ip, "HostPort": "8000-8003"} for ip in ("10.0.0.1", "10.0.0.2")]
    assert func_with(PortBindings={"80/tcp": bindings}).max_running(0) == 4


@pytest.mark.parametrize(
    ("host_config", "expected"),
    [
        ({}, True),
        ({"NetworkMode": "host"}, True),
        ({"PublishAllPorts": True}, True),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}}, True),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8000"}]}}, False),
        ({"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8000-8010"}]}}, False),
        ({"Links": ["a:b"]}, False),
        ({"VolumesFrom": ["a"]}, False),
        ({"NetworkMode": "container:a"}, False),
    ],
)
def test_what_is_tied_to_others_may_not_wait(host_config, expected) -> None:
    assert func_with(**host_config).may_wait is expected
