"""Translates the engine's reasons not to create or start a container into errors.

A verdict rests on the status and on words that can only be the engine's own. Its sentences begin
with them, a phrase and a colon at a time, and end with the cause. What a definition brings comes in
between: names, which hold neither space nor colon, and directories, which are cut out first.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import docker

from funcsvc.engine.connection import CLIENT_VERSION
from funcsvc.engine.containers.options import STARTER_PATH
from funcsvc.engine.sentences import (
    CUT,
    PHRASES,
    is_disk_full,
    public_sentence,
    with_plain_root,
)
from funcsvc.model import Func
from funcsvc.model.errors import (
    EngineUnavailable,
    NoFreeAddress,
    NotStarted,
    NotStartedYet,
    PortRangeTaken,
    PortTaken,
)

_ENGINE_TROUBLE = re.compile(
    rf"{PHRASES}(?:connection error: desc = |error reading from server: |transport is closing\b"
    r"|connection closed: unavailable\b"
    r"|ttrpc: |context (?:deadline exceeded|canceled)\b|containerd is not running\b"
    r"|dial (?:tcp|unix) |(?:the )?(?:client|daemon|server) (?:is )?shutting down\b"
    r"|rpc error: code = (?:Aborted|Canceled|DeadlineExceeded|Unavailable)\b)"
)
"""How the engine words it when the trouble is its own rather than the container's."""

_STARTER_FAILED = re.compile(
    rf"{PHRASES}(?:exec: \"|executable file `|failed to load ){re.escape(STARTER_PATH)}\b"
)

_PORT_TAKEN = re.compile(
    rf"{PHRASES}(?:Bind for \S*:([0-9]+) failed: port is already allocated"
    r"|listen \w+ \S*:([0-9]+): bind: address already in use"
    r"|failed to bind host port (?:for )?(?:\[\S*\]|[0-9.]*):([0-9]+)[:/].*already in use)"
)

_RANGE_TAKEN = re.compile(rf"{PHRASES}all ports are allocated\b")

_NO_ADDRESS = re.compile(
    rf"{PHRASES}no available IPv[46] addresses on this network's address pools: "
)

_log = logging.getLogger(__name__)


class ImageGoneOnEngine(Exception):
    """Raised when the engine no longer has an image that was found before."""


class InstanceVanished(Exception):
    """Raised when a container was removed while it was being started. Another one can be tried."""


class StarterFailed(Exception):
    """Raised when the engine can't execute the starter, which might be missing from its volume.

    `reason` is the engine's sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def explained(name: str, func: Func, network: str = "", root: str = "") -> Iterator[None]:
    """Translate the engine's reason not to create or start a container into an error of this room.

    `name` is the container's, `network` the operator's, if there is one, and `root` the folder of
    the engine's data. An error that shows trouble of the engine's own is raised unchanged.
    """
    try:
        yield
    except docker.errors.APIError as error:
        text = with_plain_root(str(error.explanation or error), root)
        verdict = _explain(error.status_code, text, name, func, network)
        if verdict is None:
            raise
        if CUT in str(verdict):
            _log.info("container %s could not be started: %s", name, error.explanation)
        raise verdict from error


def _explain(status: int, text: str, name: str, func: Func, network: str) -> Exception | None:
    """Return what the engine's sentence means, or None if the trouble is its own."""
    verdict = _vanished(status, text, name) or _gone(status, text, network)
    if verdict or is_engine_trouble(status, text):
        return verdict
    return _refusal(text, func)


def is_engine_trouble(status: int, text: str) -> bool:
    """Tell whether the engine, rather than what it was asked for, is to blame."""
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return bool(CLIENT_VERSION.match(text))
    return status == HTTPStatus.SERVICE_UNAVAILABLE or bool(_ENGINE_TROUBLE.match(text))


def _vanished(status: int, text: str, name: str) -> Exception | None:
    if (status, text) in (
        (HTTPStatus.NOT_FOUND, f"No such container: {name}"),
        (HTTPStatus.CONFLICT, "container is marked for removal and cannot be started"),
    ):
        return InstanceVanished()
    return None


def _gone(status: int, text: str, network: str) -> Exception | None:
    if status != HTTPStatus.NOT_FOUND:
        return None
    if text.startswith("No such image: "):
        return ImageGoneOnEngine()
    if network and text == f"network {network} not found":
        return EngineUnavailable(no_network(network))
    return None


def _refusal(text: str, func: Func) -> Exception:
    own = own_paths(func)
    if is_disk_full(text, own):
        return NotStarted("the engine's disk is full.")
    if shortage := _shortage(text, func):
        return shortage
    if _STARTER_FAILED.match(text):
        return StarterFailed(public_sentence(text, own))
    return NotStarted(public_sentence(text, own))


def _shortage(text: str, func: Func) -> NotStartedYet | None:
    """Return what others have to give back first, if that is the reason."""
    if found := _PORT_TAKEN.match(text):
        return PortTaken(next(filter(None, found.groups())))
    if _RANGE_TAKEN.match(text):
        return PortRangeTaken(_ranges_of(func))
    return NoFreeAddress() if _NO_ADDRESS.match(text) else None


def _ranges_of(func: Func) -> list[str]:
    """Return the ranges of host ports that a definition brings, each once."""
    bindings = func.host_config.port_bindings.values()
    ports = (one.host_port for bound in bindings for one in bound)
    return list(dict.fromkeys(port for port in ports if "-" in port))


def own_paths(func: Func) -> set[str]:
    """Return the paths that a definition brings. The engine shows a container's name as one."""
    host = func.host_config
    names = {
        *(part for link in host.links for part in link.split(":")),
        *(volumes.partition(":")[0] for volumes in host.volumes_from),
        host.network_mode.partition(":")[2],
    }
    return {func.config.working_dir, *(f"/{name.lstrip('/')}" for name in names if name)} - {""}


def no_network(name: str) -> str:
    """Return the reason why an engine without the operator's network can't be used."""
    return f'it has no network "{name}", which FUNCSVC_NETWORK names'
