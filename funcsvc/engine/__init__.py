"""The Docker Engine, through docker-py. Only this room imports docker, requests and urllib3.

`WebEngine` is what the web process needs of it, `WorkerEngine` what the worker needs.
"""

from funcsvc.engine.containers.disk import FilesUncounted
from funcsvc.engine.containers.instance import StreamBroken
from funcsvc.engine.containers.options import command_of
from funcsvc.engine.containers.protocol import Ending, Mark, OutputReader, make_frame
from funcsvc.engine.containers.refusals import InstanceVanished
from funcsvc.engine.interfaces import (
    ContainerState,
    Instance,
    OutputSource,
    WebEngine,
    WorkerEngine,
)
from funcsvc.engine.web_engine import DockerWebEngine
from funcsvc.engine.worker_engine import DockerWorkerEngine

__all__ = [
    "ContainerState",
    "DockerWebEngine",
    "DockerWorkerEngine",
    "Ending",
    "FilesUncounted",
    "Instance",
    "InstanceVanished",
    "Mark",
    "OutputReader",
    "OutputSource",
    "StreamBroken",
    "WebEngine",
    "WorkerEngine",
    "command_of",
    "make_frame",
]
