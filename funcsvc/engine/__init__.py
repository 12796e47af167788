"""The Docker Engine, through docker-py. Only this room imports docker, requests and urllib3.

`WebEngine` is what the web process needs of it, `WorkerEngine` what the worker needs.
"""

from funcsvc.engine.connection import Deadline
from funcsvc.engine.containers.instance import Instance, StreamBroken
from funcsvc.engine.containers.options import command_of
from funcsvc.engine.containers.protocol import OutputReader, make_frame
from funcsvc.engine.containers.refusals import InstanceVanished
from funcsvc.engine.web_engine import WebEngine
from funcsvc.engine.worker_engine import WorkerEngine

__all__ = [
    "Deadline",
    "Instance",
    "InstanceVanished",
    "OutputReader",
    "StreamBroken",
    "WebEngine",
    "WorkerEngine",
    "command_of",
    "make_frame",
]
