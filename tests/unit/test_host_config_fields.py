"""Ports, `HostConfig.*` and `NetworkingConfig.*`: accepted, refused, both sides of each bound."""

from __future__ import annotations

import pytest

from tests.unit.loading import answer, definition, errors_of, with_option

KEY_RULE = "is not a port: a key must be a port from 1 to 65535 with an optional /tcp or /udp."

EMPTY = '""'
"""How a path shows an empty key."""

GOOD_PORTS = [
    ("80", "80/tcp"),
    ("80/tcp", "80/tcp"),
    ("80/udp", "80/udp"),
    ("1", "1/tcp"),
    ("65535/udp", "65535/udp"),
]
BAD_PORTS = [
    "", "0", "0/tcp", "65536", "65536/udp", "99999", "100000", "-1", "+80", "080", " 80", "80 ",
    "80\n", "80/", "/tcp", "80/TCP", "80/sctp", "80/icmp", "80/tcp/udp", "80-90", "80-90/tcp", "a",
    "80.0", "\uff18\uff10",
]  # fmt: skip


@pytest.mark.parametrize(("given", "returned"), GOOD_PORTS)
def test_exposed_port_is_returned_with_its_protocol(given, returned):
    answered = answer(with_option("Config.ExposedPorts", {given: {}}))
    assert answered["Config"]["ExposedPorts"] == {returned: {}}


@pytest.mark.parametrize(("given", "returned"), GOOD_PORTS)
def test_bound_port_is_returned_with_its_protocol(given, returned):
    answered = answer(with_option("HostConfig.PortBindings", {given: [{"HostPort": "1"}]}))
    assert answered["HostConfig"]["PortBindings"] == {returned: [{"HostIp": "", "HostPort": "1"}]}


@pytest.mark.parametrize("path", ["Config.ExposedPorts", "HostConfig.PortBindings"])
@pytest.mark.parametrize("port", BAD_PORTS)
def test_key_that_is_no_port_is_refused(path, port):
    entry = {} if path == "Config.ExposedPorts" else []
    errors = errors_of(with_option(path, {port: entry, "80": entry}))
    assert errors == {f"{path}.{port or EMPTY}": [f"{path}.{port or EMPTY} {KEY_RULE}"]}


@pytest.mark.parametrize("path", ["Config.ExposedPorts", "HostConfig.PortBindings"])
@pytest.mark.parametrize("value", ["80", 80, ["80/tcp"], [], True])
def test_ports_that_are_no_object_are_refused(path, value):
    (sentence,) = errors_of(with_option(path, value))[path]
    assert sentence.endswith("but must be an object with a key for each port, such as 80/tcp.")


@pytest.mark.parametrize("path", ["Config.ExposedPorts", "HostConfig.PortBindings"])
def test_port_that_is_given_twice_is_refused(path):
    entry = {} if path == "Config.ExposedPorts" else []
    errors = errors_of(with_option(path, {"80": entry, "80/tcp": entry, "80/udp": entry}))
    assert errors == {f"{path}.80/tcp": [f"{path}.80/tcp is given twice: 80/tcp is already there."]}


@pytest.mark.parametrize("path", ["Config.ExposedPorts", "HostConfig.PortBindings"])
def test_empty_ports_are_left_out(path):
    section, option = path.split(".")
    assert option not in answer(with_option(path, {}))[section]


@pytest.mark.parametrize(
    ("entry", "shown"), [(1, "1"), ("", '""'), ([], "[]"), (True, "true"), ({"a": 1}, '{"a": 1}')]
)
def test_exposed_port_that_maps_to_something_is_refused(entry, shown):
    path = "Config.ExposedPorts.80/tcp"
    errors = errors_of(with_option("Config.ExposedPorts", {"80/tcp": entry, "81": {}}))
    assert errors == {path: [f"{path} is {shown}, but must be an empty object."]}


@pytest.mark.parametrize(
    "host_port", ["", "1", "80", "65535", "8000-8010", "8000-8000", "1-65535", "65534-65535"]
)
@pytest.mark.parametrize(
    "host_ip", ["", "127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "::FFFF:7f00:1"]
)
def test_port_binding_is_accepted_and_returned(host_ip, host_port):
    bindings = {"80/tcp": [{"HostIp": host_ip, "HostPort": host_port}]}
    answered = answer(with_option("HostConfig.PortBindings", bindings))
    assert answered["HostConfig"]["PortBindings"] == bindings


@pytest.mark.parametrize("binding", [{}, {"HostIp": ""}, {"HostPort": ""}])
def test_port_binding_is_returned_whole(binding):
    answered = answer(with_option("HostConfig.PortBindings", {"80/tcp": [binding]}))
    assert answered["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": ""}]}


def test_port_may_have_many_bindings_and_none():
    two = [{"HostIp": "127.0.0.1", "HostPort": "1"}, {"HostIp": "::1", "HostPort": "1"}]
    bindings = {"80/tcp": two, "81/udp": []}
    answered = answer(with_option("HostConfig.PortBindings", bindings))
    assert answered["HostConfig"]["PortBindings"] == bindings


@pytest.mark.parametrize(
    ("host_port", "shown"),
    [
        (80, "80"),
        (0, "0"),
        (80.0, "80.0"),
        (True, "true"),
        (["80"], '["80"]'),
        ({}, "{}"),
        ("0", '"0"'),
        ("65536", '"65536"'),
        ("-1", '"-1"'),
        ("-", '"-"'),
        ("8000-", '"8000-"'),
        ("-8010", '"-8010"'),
        ("8010-8000", '"8010-8000"'),
        ("1-65536", '"1-65536"'),
        ("0-1", '"0-1"'),
        ("1-2-3", '"1-2-3"'),
        ("080", '"080"'),
        (" 80", '" 80"'),
        ("80/tcp", '"80/tcp"'),
        ("http", '"http"'),
    ],
)
def test_host_port_is_refused(host_port, shown):
    path = "HostConfig.PortBindings.80/tcp.1.HostPort"
    bindings = {"80/tcp": [{"HostPort": "1"}, {"HostIp": "", "HostPort": host_port}]}
    assert errors_of(with_option("HostConfig.PortBindings", bindings)) == {
        path: [
            f"{path} is {shown}, but must be a string: a port from 1 to 65535, a range such as "
            '"8000-8010", or empty.'
        ]
    }


@pytest.mark.parametrize(
    "host_ip",
    [
        "::1%lo",
        "::1%",
        "fe80::1%eth0",
        "127.0.0.01",
        "::ffff:127.0.0.01",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "::00001",
        "127.0.0.1%lo",
        "1:2",
        "1::2::3",
        "\uff11.0.0.1",
        "localhost",
        "256.0.0.1",
        "1.2.3",
        "1.2.3.4/24",
        "[::1]",
        " ",
        0,
        1,
        True,
        [],
        {},
    ],
)
def test_host_ip_that_is_no_address_is_refused(host_ip):
    path = "HostConfig.PortBindings.80/tcp.0.HostIp"
    bindings = {"80/tcp": [{"HostIp": host_ip, "HostPort": "80"}]}
    (sentence,) = errors_of(with_option("HostConfig.PortBindings", bindings))[path]
    assert sentence.endswith("but must be an IP address without a zone, or empty for all.")


@pytest.mark.parametrize("entry", ["80", 80, {"HostPort": "80"}, True])
def test_bindings_that_are_no_list_are_refused(entry):
    path = "HostConfig.PortBindings.80/tcp"
    (sentence,) = errors_of(with_option("HostConfig.PortBindings", {"80/tcp": entry}))[path]
    assert sentence.endswith('but must be a list of {"HostIp": "", "HostPort": "<port>"}.')


@pytest.mark.parametrize("item", ["80", 80, None, [], True])
def test_binding_that_is_no_object_is_refused(item):
    path = "HostConfig.PortBindings.80/tcp.0"
    (sentence,) = errors_of(with_option("HostConfig.PortBindings", {"80/tcp": [item]}))[path]
    assert sentence.endswith("but must be an object with HostPort.")


def test_binding_with_an_unknown_key_is_refused():
    bindings = {"80": [{"HostPrt": "80", "HostIp": 1}]}
    errors = errors_of(with_option("HostConfig.PortBindings", bindings))
    path = "HostConfig.PortBindings.80.0"
    assert set(errors) == {f"{path}.HostPrt", f"{path}.HostIp"}
    assert "HostPort" in errors[f"{path}.HostPrt"][0]


@pytest.mark.parametrize(
    "links",
    [
        [],
        ["db:db"],
        ["db:alias", "web:w"],
        ["a_b.c-d:e_f.g-h"],
        ["0:0"],
        ["Db:Db"],
        ["db"],
        ["/db"],
        ["/db:a"],
    ],
)
def test_links_are_accepted_and_returned(links):
    answered = answer(with_option("HostConfig.Links", links))["HostConfig"]
    assert answered.get("Links", []) == links


@pytest.mark.parametrize("mode", ["host", "container:web"])
def test_link_without_an_alias_needs_the_bridge_as_any_link(mode):
    errors = errors_of(definition(HostConfig={"Links": ["db"], "NetworkMode": mode}))
    assert errors == {
        "HostConfig.Links": [
            f'HostConfig.Links is ["db"], but links can\'t be used with NetworkMode "{mode}".'
        ]
    }


@pytest.mark.parametrize(
    "link", ["", "/", "//db", "/db:", ":db", "db:", ":", "a:b:c", "a b:c", "a:b c", "-a:b", "a:-b",
             "ä:b", "a:b\n", 1, None, True, ["a:b"], {}]
)  # fmt: skip
def test_link_is_refused_under_its_index(link):
    errors = errors_of(with_option("HostConfig.Links", ["db:db", link]))
    assert list(errors) == ["HostConfig.Links.1"]
    assert errors["HostConfig.Links.1"][0].endswith(
        "but must be container_name:alias or container_name, of letters, digits, '_', '.' and '-'."
    )


@pytest.mark.parametrize(
    "volumes", [[], ["data"], ["data:ro"], ["data:rw", "more"], ["Da_t.a-1"], ["a", "a"]]
)
def test_volumes_from_are_accepted_and_returned(volumes):
    answered = answer(with_option("HostConfig.VolumesFrom", volumes))["HostConfig"]
    assert answered.get("VolumesFrom", []) == volumes


@pytest.mark.parametrize(
    "volume", ["", ":ro", "a:", "a:rx", "a:RO", "a:ro:rw", "a b", "-a", "a:z", "a\n", 1, None, True,
               ["a"], {}]
)  # fmt: skip
def test_volumes_from_is_refused_under_its_index(volume):
    errors = errors_of(with_option("HostConfig.VolumesFrom", ["data", volume]))
    assert list(errors) == ["HostConfig.VolumesFrom.1"]
    assert errors["HostConfig.VolumesFrom.1"][0].endswith(
        "but must be a container name with an optional :ro or :rw."
    )


@pytest.mark.parametrize("option", ["Links", "VolumesFrom"])
@pytest.mark.parametrize("value", ["db:db", {"db": "db"}, 1, True])
def test_list_that_is_none_is_refused(option, value):
    (sentence,) = errors_of(with_option(f"HostConfig.{option}", value))[f"HostConfig.{option}"]
    assert "but must be a list of container" in sentence


@pytest.mark.parametrize(
    "mode", ["bridge", "host", "container:web", "container:0123abcdef", "container:a_b.c-d"]
)
def test_network_mode_is_accepted_and_returned(mode):
    answered = answer(with_option("HostConfig.NetworkMode", mode))
    assert answered["HostConfig"] == {"NetworkMode": mode}


@pytest.mark.parametrize(
    "mode", ["none", "default", "Bridge", "HOST", "container", "container:", "container:a b",
             "container:-a", "container:a:b", "Container:a", "my-network", "bridge\n", " host",
             0, True, [], {}]
)  # fmt: skip
def test_network_mode_is_refused(mode):
    (sentence,) = errors_of(with_option("HostConfig.NetworkMode", mode))["HostConfig.NetworkMode"]
    assert sentence.startswith("HostConfig.NetworkMode is ")
    assert sentence.endswith("but must be bridge, host or container:<name|id>.")


@pytest.mark.parametrize("networking", [{}, {"EndpointsConfig": {}}])
def test_empty_endpoints_are_returned_as_null(networking):
    answered = answer(with_option("NetworkingConfig", networking))
    assert answered["NetworkingConfig"] == {"EndpointsConfig": None}


@pytest.mark.parametrize("endpoints", [{"my-network": {}}, [], "", 0, False, "bridge"])
def test_endpoints_are_refused(endpoints):
    path = "NetworkingConfig.EndpointsConfig"
    (sentence,) = errors_of(with_option(path, endpoints))[path]
    assert sentence.endswith("but must be null or {}, since there are no user-defined networks.")


@pytest.mark.parametrize("section", ["Config", "HostConfig", "NetworkingConfig"])
@pytest.mark.parametrize(("value", "shown"), [("", '""'), ([], "[]"), (1, "1"), (True, "true")])
def test_section_that_is_no_object_is_refused(section, value, shown):
    assert errors_of(with_option(section, value)) == {
        section: [f"{section} is {shown}, but must be an object."]
    }
