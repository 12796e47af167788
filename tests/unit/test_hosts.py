"""The client's address behind trusted and other proxies, and what counts as loopback."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from funcsvc.model import client_address, host_name, is_loopback, limited_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("2001:db8:1::/48")]


def client_of(remote: str, forwarded: str | None = None, trusted=TRUSTED) -> str:
    environ = {"REMOTE_ADDR": remote}
    if forwarded is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded
    return client_address(environ, trusted)


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("2001:db8:1::5", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.1.2.3", "198.51.100.7", "198.51.100.7"),
        ("10.1.2.3", " 198.51.100.7 ", "198.51.100.7"),
        ("10.1.2.3", "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.1.2.3", "198.51.100.7,10.9.9.9 ,10.8.8.8", "198.51.100.7"),
        ("10.1.2.3", "2001:db8:2::1", "2001:db8:2::1"),
        ("", "198.51.100.7", "198.51.100.7"),
    ],
)
def test_client_is_whom_a_trusted_proxy_names(remote, forwarded, client):
    assert client_of(remote, forwarded) == client


@pytest.mark.parametrize("forwarded", [None, "", " ", ",", "198.51.100.7,", "198.51.100.7, "])
def test_client_of_a_proxy_that_names_nobody_is_the_proxy(forwarded):
    assert client_of("10.1.2.3", forwarded) == "10.1.2.3"


@pytest.mark.parametrize("remote", ["198.51.100.7", "2001:db8:2::1", "127.0.0.2"])
@pytest.mark.parametrize("forwarded", ["1.2.3.4", "10.0.0.1", "1.2.3.4, 10.0.0.1"])
def test_nobody_else_is_believed(remote, forwarded):
    assert client_of(remote, forwarded) == remote
    assert client_of("10.1.2.3", forwarded, trusted=[]) == "10.1.2.3"


@pytest.mark.parametrize("spoofed", ["1.2.3.4", "10.0.0.1", "127.0.0.1", "", "x", "1.2.3.4, ,"])
def test_what_a_client_wrote_before_the_proxys_word_is_not_believed(spoofed):
    assert client_of("10.1.2.3", f"{spoofed}, 198.51.100.7") == "198.51.100.7"
    assert client_of("10.1.2.3", f"{spoofed}, 198.51.100.7, 10.9.9.9") == "198.51.100.7"


@pytest.mark.parametrize(
    ("address", "limited"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:2:3:4:5:6:7", "2001:db8:2:3::"),
        ("2001:db8:2:3::", "2001:db8:2:3::"),
        ("2001:db8:2:3:ffff:ffff:ffff:ffff", "2001:db8:2:3::"),
        ("2001:db8:2:4::1", "2001:db8:2:4::"),
        ("::1", "::"),
        ("fe80::1%eth0", "fe80::"),
        ("", "unknown"),
        ("x", "unknown"),
        ("198.51.100.7:80", "unknown"),
        ("1.2.3", "unknown"),
        ("a" * 10_000, "unknown"),
        ("é/…\n", "unknown"),
    ],
)
def test_attempts_are_counted_by_ipv4_address_or_ipv6_network(address, limited):
    assert limited_address(address) == limited


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("localhost:8000", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[::1]:8000", "::1"),
        ("[::1", "::1"),
        ("", ""),
        (":8000", ""),
        ("::1", ""),
    ],
)
def test_host_name_is_without_port_and_brackets(host, name):
    assert host_name(host) == name


@pytest.mark.parametrize(
    "name",
    ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.0.0.2", "127.255.255.254", "::1",
     "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"],
)  # fmt: skip
def test_name_is_loopback(name):
    assert is_loopback(name)


@pytest.mark.parametrize(
    "name",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "xlocalhost",
     "local host", "localhost\0", "0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "127.1", "2130706433",
     "0x7f.1", "127.0.0.1 ", "::2", "::ffff:10.0.0.1", "localhost4", "ip6-localhost", "ł"],
)  # fmt: skip
def test_name_is_not_loopback(name):
    assert not is_loopback(name)
