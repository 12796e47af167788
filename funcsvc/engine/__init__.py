"""The Docker Engine, through docker-py. Only this room imports docker, requests and urllib3."""

from funcsvc.engine.engine import Engine

__all__ = ["Engine"]
