"""How many ports can be published, and which bindings can't all get one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from funcsvc.engine.startable import check_published
from funcsvc.model import MAX_PUBLISHED_PORTS, Image
from funcsvc.model.errors import TooManyPublished
from funcsvc.schemas import func_text, load_func
from tests.overlaps import APART, OVERLAPPING, RACING, bindings_of
from tests.unit.loading import definition, errors_of, load, with_option


@pytest.mark.parametrize("pair", [*OVERLAPPING, *RACING])
@pytest.mark.parametrize("order", [1, -1])
def test_bindings_that_overlap_need_a_host_port_each(pair, order):
    bindings = bindings_of(pair[::order], 8000)
    document = with_option("HostConfig.PortBindings", bindings)
    (sentence,) = errors_of(document)["HostConfig.PortBindings"]
    assert sentence.startswith('HostConfig.PortBindings publishes 2 times on "800')
    assert sentence.endswith(" or what overlaps it, but each needs a host port of its own.")
    document["HostConfig"]["NetworkMode"] = "host"  # the engine ignores bindings there
    assert load(document)


@pytest.mark.parametrize("pair", APART)
def test_bindings_that_do_not_overlap_are_accepted(pair):
    assert load(with_option("HostConfig.PortBindings", bindings_of(pair, 8000)))


@pytest.mark.parametrize(
    ("ports", "is_possible"),
    [(["8000-8001"] * 2, True), (["8000-8001"] * 3, False), (["8000-8002", "8001-8003"], True)],
)
def test_range_needs_a_port_for_each_binding_that_could_take_one_of_it(ports, is_possible):
    bindings = {str(number): [{"HostPort": text}] for number, text in enumerate(ports, 1)}
    document = with_option("HostConfig.PortBindings", bindings)
    if is_possible:
        assert load(document)
    else:
        assert list(errors_of(document)) == ["HostConfig.PortBindings"]


def test_ranges_that_overlap_share_their_ports_among_containers():
    bindings = {"80": [{"HostPort": "8000-8009"}], "81": [{"HostPort": "8005-8009"}]}
    assert load(with_option("HostConfig.PortBindings", bindings)).max_running(0) == 2


@pytest.mark.parametrize(
    "bindings",
    [
        {"80/tcp": [{"HostIp": "127.1", "HostPort": "8000"}]},
        {"80/tcp": [{"HostIp": "::1%lo", "HostPort": "8000"}]},
        {"80/tcp": [{"HostIp": "", "HostPort": "8000"}] * 2},
        {"80/tcp": [{"HostIp": "", "HostPort": str(port)} for port in range(1, 20_000)]},
    ],
)
def test_stored_bindings_that_break_a_rule_by_now_allow_one_container(bindings):
    document = json.loads(func_text(load(definition())))
    document["HostConfig"]["PortBindings"] = bindings
    assert load_func(json.dumps(document)).max_running(0) == 1


def exposing(number: int) -> dict[str, Any]:
    return {"ExposedPorts": {str(port): {} for port in range(1, number + 1)}}


def binding(number: int) -> dict[str, Any]:
    return {"PortBindings": {"80": [{}] * number}}


@pytest.mark.parametrize(
    ("config", "host_config", "option"),
    [
        (0, binding(MAX_PUBLISHED_PORTS), "PortBindings"),
        (MAX_PUBLISHED_PORTS, {"PublishAllPorts": True}, "PublishAllPorts"),
        (81, {"PublishAllPorts": True, **binding(MAX_PUBLISHED_PORTS - 80)}, "PublishAllPorts"),
    ],
)
def test_number_of_published_ports_is_bounded(config, host_config, option):
    assert load(definition(exposing(config), host_config))
    more = {**host_config, "PortBindings": {**host_config.get("PortBindings", {}), "999": [{}]}}
    (sentence,) = errors_of(definition(exposing(config), more))[f"HostConfig.{option}"]
    assert sentence == f"HostConfig.{option} publishes 257 ports, but must publish at most 256."
    assert load(definition(exposing(config), {**more, "NetworkMode": "host"}))


def test_ports_that_are_exposed_only_are_not_counted():
    assert load(definition(exposing(1000), binding(MAX_PUBLISHED_PORTS)))


def test_ports_that_the_image_exposes_are_counted_where_all_are_published():
    ports = [f"{port}/tcp" for port in range(1, MAX_PUBLISHED_PORTS + 1)]
    image = Image("sha256:1", ["run"], [], exposed_ports=ports)
    own = {"ExposedPorts": {"1": {}}}
    check_published(load(definition(own, {"PublishAllPorts": True})), image)
    check_published(load(definition({"ExposedPorts": {"999": {}}}, {})), image)
    own["ExposedPorts"]["999"] = {}
    with pytest.raises(TooManyPublished) as caught:
        check_published(load(definition(own, {"PublishAllPorts": True})), image)
    assert caught.value.field_errors == {
        "HostConfig.PublishAllPorts": [
            "HostConfig.PublishAllPorts publishes 257 ports, with those that the image exposes, "
            "but must publish at most 256."
        ]
    }
