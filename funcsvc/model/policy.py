"""What the operator can forbid by settings: networks, links, ports, volumes and images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from funcsvc.model.errors import show
from funcsvc.model.funcs import HostConfig
from funcsvc.model.images import ImageNames, ImageReference

Broken = tuple[str, str]
"""The dotted path of a field, and a predicate that says what is wrong with it."""


@dataclass(frozen=True)
class Policy:
    """What the operator allows: by default everything in the contract but removing images."""

    allow_host_network: bool = True
    allow_container_network: bool = True
    allow_links: bool = True
    allow_published_ports: bool = True
    allow_volumes_from: bool = True
    allow_image_removal: bool = False
    allowed_images: Sequence[str] = ()
    network: str = ""

    def broken_by_image(self, image: ImageReference) -> Iterator[Broken]:
        """Yield an error if the image is forbidden."""
        if not self.allows_image(image):
            patterns = ", ".join(self.allowed_images)
            yield (
                "Config.Image",
                f'is "{image.text}", but the operator allows only these images: {patterns}.',
            )

    def broken_by_host_config(self, host_config: HostConfig) -> Iterator[Broken]:
        """Yield an error for each option of a HostConfig that is forbidden."""
        mode = host_config.network_mode
        if mode == "host" and not self.allow_host_network:
            yield ("HostConfig.NetworkMode", 'is "host", but the operator forbids host networking.')
        if mode.startswith("container:") and not self.allow_container_network:
            yield (
                "HostConfig.NetworkMode",
                f'is "{mode}", but the operator forbids the network of another container.',
            )
        if host_config.links and not self.allow_links:
            yield (
                "HostConfig.Links",
                f"is {show(host_config.links)}, but the operator forbids links.",
            )
        elif rule := rule_for_links(host_config, self.network):
            yield ("HostConfig.Links", f"is {show(host_config.links)}, but {rule}")
        if host_config.volumes_from and not self.allow_volumes_from:
            yield (
                "HostConfig.VolumesFrom",
                f"is {show(host_config.volumes_from)}, but the operator forbids volumes-from.",
            )
        if not self.allow_published_ports:
            yield from _published_ports(host_config)

    def allows_image(self, image: ImageReference) -> bool:
        """Tell whether an image matches a pattern. Without patterns, every image is allowed.

        A pattern is tried on the familiar and the full name, with and without the version.
        """
        if not self.allowed_images:
            return True
        forms = (image.familiar_name, image.familiar, image.name, image.canonical)
        return any(
            _pattern(pattern).fullmatch(form) for pattern in self.allowed_images for form in forms
        )

    def shown_names(self, image: ImageNames) -> list[ImageReference]:
        """Return the names of an image that clients may see. Hidden is what they can't use.

        A digest is shown if its own repository has a tag that is.
        """
        shown = {one for one in image.references if self.allows_image(one)}
        shown_tags = {one.name for one in shown if not one.digest}
        return [
            one
            for one in image.references
            if one in shown or (one.digest and one.name in shown_tags)
        ]


def rule_for_links(host_config: HostConfig, network: str) -> str:
    """Return the rule that links break where the operator names a network, or an empty string.

    Only on the engine's own bridge does a link open ports, and has to name a container.
    """
    is_moved = host_config.network_mode == "bridge" and network not in ("", "bridge")
    if not host_config.links or not is_moved:
        return ""
    return f'must be empty: links have no effect on "{network}", the operator\'s network.'


def _published_ports(host_config: HostConfig) -> Iterator[Broken]:
    if host_config.port_bindings:
        ports = show(list(host_config.port_bindings))
        yield (
            "HostConfig.PortBindings",
            f"publishes {ports}, but the operator forbids published ports.",
        )
    if host_config.publish_all_ports:
        yield ("HostConfig.PublishAllPorts", "is true, but the operator forbids published ports.")


def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern: `*` matches within a path part, `**` anything, `?` one character."""
    parts = re.split(r"(\*\*|\*|\?)", text)
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts))
