"""The Docker Engine, through docker-py. Only this room imports docker, requests and urllib3.

`Engine` is what the web process needs of it, `call_engine.CallEngine` what the worker needs.
"""

from funcsvc.engine.engine import Engine

__all__ = ["Engine"]
