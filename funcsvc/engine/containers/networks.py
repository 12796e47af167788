"""The engine's network that funcs use: whether it is there, and what they reach over it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import docker

from funcsvc.engine.containers.refusals import no_network
from funcsvc.model.errors import EngineUnavailable

DEFAULT_NETWORK = "bridge"

_ICC = "com.docker.network.bridge.enable_icc"
"""The option of a bridge that lets its containers reach each other. Without it, they can."""

_log = logging.getLogger(__name__)


def find_network(client: docker.APIClient, name: str) -> Mapping[str, Any] | None:
    """Return the engine's inspection of the operator's network, or of the default one.

    Returns None if the engine was started without the latter. Raises EngineUnavailable if the
    operator's doesn't exist.
    """
    try:
        network: Mapping[str, Any] = client.inspect_network(name or DEFAULT_NETWORK)
    except docker.errors.NotFound as error:
        if name:
            raise EngineUnavailable(no_network(name)) from error
        return None
    return network


def warn_of_communication(network: Mapping[str, Any] | None) -> None:
    """Log a warning if funcs can reach each other over a network."""
    if network and (network["Options"] or {}).get(_ICC) != "false":
        _log.warning(
            "functions can reach each other's ports over the engine's network %s, which has "
            "inter-container communication on",
            network["Name"],
        )
