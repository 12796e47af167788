"""Registry credentials that a client brings: checked by the engine, and stored nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import docker

from funcsvc.engine.connection import Deadline, EngineConnection
from funcsvc.engine.images.registry_words import refuses_login
from funcsvc.model import registry_host
from funcsvc.model.errors import EngineUnavailable, LoginRefused, RegistryNotReached


def check_login(
    connection: EngineConnection, credentials: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    """Return the engine's answer to right credentials. Raises LoginRefused, RegistryNotReached.

    docker-py's own `login` would first look for the operator's, and keep these.
    """
    registry, deadline = registry_host(credentials.get("serveraddress", "")), Deadline(seconds)
    try:
        with connection.client(deadline) as client:
            try:
                response = client._post_json(client._url("/auth"), data=dict(credentials))
                answer: dict[str, Any] = client._result(response, json=True)
            except docker.errors.APIError as error:
                if error.status_code == 401 or refuses_login(str(error.explanation)):
                    raise LoginRefused(registry) from error
                raise RegistryNotReached(registry, "it can't be reached, or failed") from error
    except EngineUnavailable as error:
        if deadline.is_over():
            raise RegistryNotReached(registry, "it did not answer in time") from error
        raise
    return answer
