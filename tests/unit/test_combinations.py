"""Options that are refused together. tests/contract compares the same rules with a real engine."""

from __future__ import annotations

import pytest

from tests.unit.loading import answer, definition, errors_of

BOUND = {"80/tcp": [{"HostPort": "8080"}]}


@pytest.mark.parametrize("mode", ["host", "container:web"])
def test_links_need_bridge_networking(mode):
    errors = errors_of(definition(host_config={"NetworkMode": mode, "Links": ["db:db"]}))
    assert errors == {
        "HostConfig.Links": [
            f'HostConfig.Links is ["db:db"], but links can\'t be used with NetworkMode "{mode}".'
        ]
    }


def test_ports_can_not_be_published_in_the_network_of_another_container():
    host_config = {
        "NetworkMode": "container:web",
        "PortBindings": {"80": [], "81/udp": []},
        "PublishAllPorts": True,
    }
    rule = (
        "ports can't be published with NetworkMode \"container:web\", which is another container's."
    )
    assert errors_of(definition(host_config=host_config)) == {
        "HostConfig.PortBindings": [
            f'HostConfig.PortBindings publishes ["80/tcp", "81/udp"], but {rule}'
        ],
        "HostConfig.PublishAllPorts": [f"HostConfig.PublishAllPorts is true, but {rule}"],
    }


def test_ports_can_not_be_exposed_in_the_network_of_another_container():
    document = definition({"ExposedPorts": {"80": {}}}, {"NetworkMode": "container:web"})
    assert errors_of(document) == {
        "Config.ExposedPorts": [
            'Config.ExposedPorts is ["80/tcp"], but ports can\'t be exposed with '
            'NetworkMode "container:web".'
        ]
    }


@pytest.mark.parametrize(
    ("config", "host_config"),
    [
        ({}, {"NetworkMode": "bridge", "Links": ["db:db"]}),
        ({}, {"Links": ["db:db"]}),
        ({"ExposedPorts": {"80": {}}}, {"PortBindings": BOUND, "PublishAllPorts": True}),
        ({}, {"NetworkMode": "host", "PortBindings": BOUND}),
        ({}, {"NetworkMode": "host", "PublishAllPorts": True}),
        ({"ExposedPorts": {"80": {}}}, {"NetworkMode": "host"}),
        ({}, {"NetworkMode": "container:web"}),
        ({"ExposedPorts": {}}, {"NetworkMode": "container:web", "PortBindings": {}}),
        ({}, {"NetworkMode": "container:web", "PublishAllPorts": False}),
        ({}, {"NetworkMode": "container:web", "Links": []}),
        ({}, {"NetworkMode": "host", "Links": [], "VolumesFrom": ["data"]}),
        ({}, {"NetworkMode": "container:web", "VolumesFrom": ["web"]}),
    ],
)
def test_options_that_go_together_are_accepted(config, host_config):
    assert answer(definition(config, host_config))


@pytest.mark.parametrize("image", [{}, {"Image": "UPPER"}])
def test_combination_is_reported_also_when_the_image_is_wrong(image):
    document = {
        "Name": "f",
        "Config": {"ExposedPorts": {"80": {}}, **image},
        "HostConfig": {"NetworkMode": "container:web", "PublishAllPorts": True},
    }
    assert set(errors_of(document)) == {
        "Config.Image",
        "Config.ExposedPorts",
        "HostConfig.PublishAllPorts",
    }


def test_combination_is_reported_with_other_wrong_fields():
    document = definition(
        {"ExposedPorts": {"80": {}}, "Tty": 1},
        {"NetworkMode": "container:web", "Links": ["db:db"], "VolumesFrom": [""]},
    )
    assert set(errors_of({**document, "Timeout": 0})) == {
        "Timeout",
        "Config.Tty",
        "Config.ExposedPorts",
        "HostConfig.Links",
        "HostConfig.VolumesFrom.0",
    }
