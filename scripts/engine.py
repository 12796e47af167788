"""The Docker Engine: the one that is there as it is, or else a dockerd of our own."""

import os
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import bridge
import docker
import docker.utils
import places
import requests
from children import ChildFailed, Children

DEFAULT_HOST = "unix:///var/run/docker.sock"
ENGINE = "engine"
OFFLINE = "engine-offline"
NO_IPTABLES = ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]


def connect(environment: Mapping[str, str]) -> docker.APIClient:
    """A client of the engine that DOCKER_HOST and friends name."""
    arguments = docker.utils.kwargs_from_env(environment=dict(environment))
    return docker.APIClient(timeout=60, **arguments)


def answers(environment: Mapping[str, str]) -> bool:
    """Whether this user can give the engine commands."""
    try:
        with connect(environment) as client:
            return bool(client.ping())
    except (docker.errors.DockerException, requests.RequestException):
        return False


def empty(environment: Mapping[str, str]) -> None:
    """Remove what a run that was killed left on an engine of our own: each run begins alike."""
    with connect(environment) as client:
        for container in client.containers(all=True):
            client.remove_container(container["Id"], force=True, v=True)
        for image in client.images():
            client.remove_image(image["Id"], force=True)


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


def add(children: Children, purpose: str, environment: MutableMapping[str, str]) -> None:
    """Describe an engine of our own; and where it may change iptables, one for when it can't."""
    runtime = places.runtime_folder(purpose)
    environment["DOCKER_HOST"] = f"unix://{runtime}/docker.sock"
    _forget_dead(runtime / "dockerd.pid", runtime / "exec/containerd/containerd.pid")
    has_bridge = bridge.make(purpose)
    if not has_bridge and Path("/sys/class/net/docker0").exists():
        sys.exit("No network bridge can be made for an engine here: `ip link add` fails.")
    # without a bridge, dockerd would also remove docker0, were it there
    command = _command(purpose, bridge.name_of(purpose) if has_bridge else "none")
    if purpose == "test" or not has_bridge:
        # The tests need no way out, and so leave iptables to the other engines of this machine.
        children.add(ENGINE, [*command, *NO_IPTABLES])
    else:
        children.add(ENGINE, command)
        children.add(OFFLINE, [*command, *NO_IPTABLES], autostart=False)


def _command(purpose: str, bridge_name: str) -> list[str]:
    runtime = places.runtime_folder(purpose)
    options = {
        "host": f"unix://{runtime}/docker.sock",
        "group": str(os.getgid()),
        "data-root": str(places.data_folder(purpose) / "docker"),
        "exec-root": str(runtime / "exec"),
        "pidfile": str(runtime / "dockerd.pid"),
        "shutdown-timeout": "5",
        "log-level": "warn",
        "bridge": bridge_name,
        # in a containerd of the system's, keep apart from the containers of other engines
        "containerd-namespace": runtime.name,
        "containerd-plugins-namespace": f"{runtime.name}-plugins",
    }
    command = ["dockerd", *(f"--{key}={value}" for key, value in options.items())]
    if os.geteuid() == 0:
        return command
    return [sys.executable, str(Path(__file__).with_name("as_root.py")), *command]


def _forget_dead(*pid_files: Path) -> None:
    """Remove pid files whose process is gone: dockerd trusts them when another has the number."""
    script = """for file; do
        grep -qs "$(basename "$file" .pid)" "/proc/$(cat "$file")/cmdline" || rm -f "$file"
    done"""
    command = places.as_root("sh", "-c", script, "sh", *pid_files)
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def wait(children: Children, environment: Mapping[str, str]) -> None:
    """Wait until the engine of our own answers, or end with a sentence."""
    try:
        _wait_for_one(children, environment)
    except ChildFailed as failure:
        sys.exit(
            f"No engine answers here and none can be started, so no function can run. {failure}"
        )


def _wait_for_one(children: Children, environment: Mapping[str, str]) -> None:
    try:
        children.wait_for(ENGINE, lambda: answers(environment))
    except ChildFailed as failure:
        if not children.has(OFFLINE) or "network controller" not in str(failure):
            raise
        print("The engine can't use iptables: functions will have no way out.", flush=True)
        children.start_one(OFFLINE)
        children.wait_for(OFFLINE, lambda: answers(environment))
