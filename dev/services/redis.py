"""Redis: the one that is there, or else one of our own."""

import sys
from collections.abc import MutableMapping

from dev import servers
from dev.machine import places
from dev.services.children import ChildFailed, Children

DEFAULT_URL = "redis://127.0.0.1:6379/0"
REDIS = "redis"


def find(purpose: str, environment: MutableMapping[str, str]) -> bool:
    """Set FUNCSVC_REDIS_URL to the Redis that is there, if any."""
    url = environment.get("FUNCSVC_REDIS_URL")
    if url:
        if not servers.redis_answers(url):
            sys.exit(
                "No Redis answers at the address in FUNCSVC_REDIS_URL: "
                "start it, or unset the variable to get one here."
            )
        return True
    # Tests and benchmarks write into somebody's Redis only when they were told which one.
    if purpose != "run" or not servers.redis_answers(DEFAULT_URL):
        return False
    environment["FUNCSVC_REDIS_URL"] = DEFAULT_URL
    return True


def add(children: Children) -> servers.RedisServer:
    """Describe a Redis of our own, on loopback."""
    folder = places.data_folder(children.purpose) / "redis"
    if children.purpose != "run":  # each run begins alike
        places.remove(folder)
    folder.mkdir(exist_ok=True)
    port = servers.free_port(6379 if children.purpose == "run" else 0)
    server = servers.RedisServer(folder, {"appendonly": "yes"}, port)
    children.environment["FUNCSVC_REDIS_URL"] = server.url
    children.add(REDIS, server.command)
    return server


def wait(children: Children, server: servers.RedisServer) -> None:
    """Wait until the Redis of our own answers, or end with a sentence."""
    try:
        children.wait_for(REDIS, server.answers)
    except ChildFailed as failure:
        sys.exit(f"Redis doesn't start, and nothing works without it. {failure}")
