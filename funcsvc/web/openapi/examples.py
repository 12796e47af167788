"""The examples of the contract. Tests send the requests and check the answers' schemas."""

from __future__ import annotations

from typing import Any

NEW_FUNC: dict[str, Any] = {
    "Name": "helloworld",
    "Config": {"Cmd": ["echo", "HelloWorld"], "Image": "ubuntu"},
}
FUNC: dict[str, Any] = {
    "Name": "helloworld",
    "ContainerSize": "s4",
    "Timeout": 300,
    "UUID": "e62c014e-386c-42ea-8d07-41d44e98cc3d",
    "Created": "2017-03-16T07:05:24.473Z",
    "Config": {
        "Env": [],
        "Cmd": ["echo", "HelloWorld"],
        "Image": "ubuntu",
        "StopSignal": "SIGTERM",
    },
    "HostConfig": {"NetworkMode": "bridge"},
    "NetworkingConfig": {"EndpointsConfig": None},
}
FULL_NEW_FUNC: dict[str, Any] = {
    "Name": "resize-images",
    "ContainerSize": "m1",
    "Timeout": 60,
    "Config": {
        "ExposedPorts": {"80/tcp": {}},
        "Tty": True,
        "Env": ["WIDTH=640", "EMPTY="],
        "Cmd": "resize --width 640 'a file'",
        "Image": "registry.example.com:5000/team/tool:v1",
        "WorkingDir": "/data",
        "Entrypoint": ["/bin/sh", "-c"],
        "Labels": {"team": "images"},
        "StopSignal": "INT",
    },
    "HostConfig": {
        "NetworkMode": "bridge",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8000-8010"}]},
        "VolumesFrom": ["data:ro"],
        "Links": ["database:db"],
        "PublishAllPorts": True,
    },
    "NetworkingConfig": {"EndpointsConfig": None},
}
CHANGES: dict[str, Any] = {
    "Name": "helloworld",
    "ContainerSize": "s3",
    "Created": "0001-01-01T00:00:00Z",
    "Refresh": True,
    "Config": {},
    "HostConfig": {},
    "NetworkingConfig": {"EndpointsConfig": None},
}
CLEARED_ENV: dict[str, Any] = {"Config": {"Env": []}}

CALL_ID = "218b7b10-7f3f-4c02-9d4e-2f1c8a5e6b90"
