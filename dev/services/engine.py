"""The Docker Engine: the one that is there as it is, or else a dockerd of our own."""

import sys
from collections.abc import Mapping, MutableMapping

import docker
import docker.utils
import requests

from dev import servers
from dev.machine import places
from dev.machine.bridge import NoBridge
from dev.services.children import ChildFailed, Children

DEFAULT_HOST = "unix:///var/run/docker.sock"
ENGINE = "engine"
OFFLINE = "engine-offline"


def connect(environment: Mapping[str, str]) -> docker.APIClient:
    """Return a client of the engine that DOCKER_HOST and friends name."""
    arguments = docker.utils.kwargs_from_env(environment=dict(environment))
    return docker.APIClient(timeout=60, **arguments)


def answers(environment: Mapping[str, str]) -> bool:
    """Tell whether this user can give the engine commands."""
    try:
        with connect(environment) as client:
            return bool(client.ping())
    except (docker.errors.DockerException, requests.RequestException):
        return False


def find(environment: MutableMapping[str, str]) -> bool:
    """Set DOCKER_HOST to the engine that is there, if any."""
    host = environment.get("DOCKER_HOST")
    if host:
        if not answers(environment):
            sys.exit(
                f"No engine answers at DOCKER_HOST={host}: "
                "start it, or unset the variable to get one here."
            )
        return True
    if not answers({"DOCKER_HOST": DEFAULT_HOST}):
        return False
    environment["DOCKER_HOST"] = DEFAULT_HOST
    return True


def add(children: Children) -> servers.EngineServer:
    """Describe an engine of our own; and where it may change iptables, one for when it can't."""
    place = places.runtime_folder(children.purpose)
    data = places.data_folder(children.purpose) / "docker"
    try:
        # The tests need no way out, and so leave iptables to the other engines of this machine.
        server = servers.make_engine(place, data, has_iptables=children.purpose != "test")
    except NoBridge as error:
        sys.exit(str(error))
    if children.purpose != "run":  # each run begins alike
        places.remove(data)
    children.environment["DOCKER_HOST"] = server.host
    children.add(ENGINE, server.command)
    if server.has_iptables:
        children.add(OFFLINE, server.without_iptables().command, autostart=False)
    return server


def wait(children: Children, server: servers.EngineServer) -> None:
    """Wait until the engine of our own answers, or end with a sentence."""
    try:
        _wait_for_one(children, server)
    except ChildFailed as failure:
        sys.exit(
            f"No engine answers here and none can be started, so no function can run. {failure}"
        )


def _wait_for_one(children: Children, server: servers.EngineServer) -> None:
    try:
        children.wait_for(ENGINE, server.answers)
    except ChildFailed as failure:
        if not server.has_iptables or "network controller" not in str(failure):
            raise
        print("The engine can't use iptables: functions will have no way out.", flush=True)
        children.start_one(OFFLINE)
        children.wait_for(OFFLINE, server.answers)
