"""What the operator forbids: each setting alone, and the patterns of allowed images."""

from __future__ import annotations

import pytest

from funcsvc.model import Policy, parse_image_reference
from tests.unit.loading import definition, errors_of, load

HEX = "0123456789abcdef" * 4
EVERYTHING = definition(
    {"ExposedPorts": {"80": {}}},
    {
        "Links": ["db:db"],
        "PortBindings": {"80": [{"HostPort": "80"}]},
        "PublishAllPorts": True,
        "VolumesFrom": ["data"],
    },
)

FORBIDDEN = [
    (
        "allow_host_network",
        {"NetworkMode": "host"},
        {
            "HostConfig.NetworkMode": [
                'HostConfig.NetworkMode is "host", but the operator forbids host networking.'
            ]
        },
    ),
    (
        "allow_container_network",
        {"NetworkMode": "container:web"},
        {
            "HostConfig.NetworkMode": [
                'HostConfig.NetworkMode is "container:web", '
                "but the operator forbids the network of another container."
            ]
        },
    ),
    (
        "allow_links",
        {"Links": ["db:db"]},
        {"HostConfig.Links": ['HostConfig.Links is ["db:db"], but the operator forbids links.']},
    ),
    (
        "allow_published_ports",
        {"PortBindings": {"80": []}},
        {
            "HostConfig.PortBindings": [
                'HostConfig.PortBindings publishes ["80/tcp"], '
                "but the operator forbids published ports."
            ]
        },
    ),
    (
        "allow_published_ports",
        {"PublishAllPorts": True},
        {
            "HostConfig.PublishAllPorts": [
                "HostConfig.PublishAllPorts is true, but the operator forbids published ports."
            ]
        },
    ),
    (
        "allow_volumes_from",
        {"VolumesFrom": ["data:ro"]},
        {
            "HostConfig.VolumesFrom": [
                'HostConfig.VolumesFrom is ["data:ro"], but the operator forbids volumes-from.'
            ]
        },
    ),
]


@pytest.mark.parametrize(("setting", "host_config", "errors"), FORBIDDEN)
def test_setting_forbids_what_it_names(setting, host_config, errors):
    document = definition(host_config=host_config)
    assert errors_of(document, Policy(**{setting: False})) == errors


@pytest.mark.parametrize(("setting", "host_config", "errors"), FORBIDDEN)
def test_setting_forbids_nothing_else(setting, host_config, errors):
    settings = {name for name, _, _ in FORBIDDEN}
    others = Policy(**{name: name == setting for name in settings})
    assert load(definition(host_config=host_config), others)


def test_nothing_is_forbidden_by_default():
    assert load(EVERYTHING)
    for _, host_config, _ in FORBIDDEN:
        assert load(definition(host_config=host_config))


def test_plain_func_passes_the_strictest_policy():
    strictest = Policy(**{name: False for name, _, _ in FORBIDDEN})
    assert load(definition({"ExposedPorts": {"80": {}}}), strictest)
    assert load(definition(host_config={"NetworkMode": "bridge", "Links": []}), strictest)


def test_everything_forbidden_is_reported_at_once():
    strictest = Policy(**{name: False for name, _, _ in FORBIDDEN})
    assert set(errors_of({**EVERYTHING, "Timeout": 0}, strictest)) == {
        "Timeout",
        "HostConfig.Links",
        "HostConfig.PortBindings",
        "HostConfig.PublishAllPorts",
        "HostConfig.VolumesFrom",
    }


def test_links_are_refused_on_the_operators_network_where_they_have_no_effect():
    document = definition(host_config={"Links": ["db:db"]})
    assert errors_of(document, Policy(network="funcs")) == {
        "HostConfig.Links": [
            'HostConfig.Links is ["db:db"], but must be empty: links have no effect on "funcs", '
            "the operator's network."
        ]
    }
    assert load(document, Policy(network="bridge"))
    assert load(definition(host_config={"Links": []}), Policy(network="funcs"))
    assert len(errors_of(document, Policy(network="funcs", allow_links=False))) == 1


ALLOWED = [
    ("ubuntu", "ubuntu"),
    ("ubuntu", "ubuntu:22.04"),
    ("ubuntu", "docker.io/library/ubuntu"),
    ("ubuntu", f"ubuntu@sha256:{HEX}"),
    ("ubuntu:22.04", "ubuntu:22.04"),
    ("ubuntu:latest", "ubuntu"),
    ("ubuntu:22.*", "ubuntu:22.04"),
    ("ubuntu:22.0?", "ubuntu:22.04"),
    ("docker.io/library/ubuntu", "ubuntu"),
    ("docker.io/library/*", "ubuntu:22.04"),
    ("team/*", "team/tool"),
    ("team/*", "team/tool:v1"),
    ("team/**", "team/a/b/c:v1"),
    ("registry.example.com:5000/**", "registry.example.com:5000/team/tool:v1"),
    ("registry.example.com/team/tool", "registry.example.com/team/tool:v1"),
    ("*", "ubuntu"),
    ("**", "registry.example.com/a/b:c"),
    (f"ubuntu@sha256:{HEX}", f"ubuntu@sha256:{HEX}"),
]
NOT_ALLOWED = [
    ("ubuntu", "debian"),
    ("ubuntu", "ubuntu2"),
    ("ubuntu", "team/ubuntu"),
    ("ubuntu", "example.com/ubuntu"),
    ("ubuntu", "example.com/library/ubuntu"),
    ("ubuntu:22.04", "ubuntu"),
    ("ubuntu:22.04", "ubuntu:22.04.1"),
    ("ubuntu:22.0?", "ubuntu:22.0"),
    ("ubuntu:22.0?", "ubuntu:22.044"),
    ("team/*", "team/a/b"),
    ("team/*", "other/tool"),
    ("*", "team/tool"),
    ("team.example/**", "teamxexample.com/a"),
    ("registry.example.com/**", "registry.example.com.evil.net/a"),
    ("registry.example.com/**", "evil.net/registry.example.com/a"),
    ("library/ubuntu", "example.com/library/ubuntu"),
    ("a+", "aa"),
]


@pytest.mark.parametrize(("pattern", "image"), ALLOWED)
def test_pattern_allows_image(pattern, image):
    policy = Policy(allowed_images=("never/this", pattern))
    assert policy.allows_image(parse_image_reference(image))


@pytest.mark.parametrize(("pattern", "image"), NOT_ALLOWED)
def test_pattern_does_not_allow_image(pattern, image):
    assert not Policy(allowed_images=(pattern,)).allows_image(parse_image_reference(image))


@pytest.mark.parametrize("image", ["ubuntu", "evil.net/a/b:c"])
def test_no_patterns_allow_every_image(image):
    assert Policy().allows_image(parse_image_reference(image))


def test_image_that_no_pattern_has_is_refused():
    policy = Policy(allowed_images=("team/*", "ubuntu"))
    assert errors_of(definition({"Image": "debian:12"}), policy) == {
        "Config.Image": [
            'Config.Image is "debian:12", but the operator allows only these images: '
            "team/*, ubuntu."
        ]
    }
