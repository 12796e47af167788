"""What a func's container is created with: one small function per option.

The names are those of the Docker Engine API, `POST /containers/create`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from funcsvc.config import Settings
from funcsvc.model import STARTER_FOLDER, Capacity, Func, Image

Options = dict[str, Any]

OWN_LABELS = "funcsvc."
"""The beginning of the labels by which this service finds what is its own."""

STARTER_PATH = f"{STARTER_FOLDER}/starter"

KEPT_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
)
"""Docker's default capabilities that are needed to switch to another user or to serve a port.

Left out of Docker's fourteen: AUDIT_WRITE, FSETID, MKNOD, NET_RAW, SETFCAP, SETPCAP, SYS_CHROOT."""


@dataclass(frozen=True)
class Wanted:
    """A container to be created."""

    func: Func
    image: Image
    capacity: Capacity
    settings: Settings
    starter_volume: str
    labels: Mapping[str, str]
    quota_bytes: int = 0
    """How many bytes it may write to its own layer, where the engine has quotas; 0 is no quota."""


def container_options(wanted: Wanted) -> Options:
    """Return the body of the request that creates a container."""
    body: Options = {"HostConfig": {}}
    for set_option in _OPTIONS:
        set_option(body, body["HostConfig"], wanted)
    return body


def set_image(body: Options, host: Options, wanted: Wanted) -> None:
    """Use its id, since its name might refer to another image by now."""
    body["Image"] = wanted.image.id


def set_starter(body: Options, host: Options, wanted: Wanted) -> None:
    """Make the starter the entrypoint. It gets the command in its frame."""
    body["Entrypoint"] = [STARTER_PATH]
    body["StopSignal"] = (
        "SIGTERM"  # which the starter takes for an end; an image's might be another
    )
    body["Cmd"] = []
    body["Healthcheck"] = {"Test": ["NONE"]}
    mount = {"Type": "volume", "Source": wanted.starter_volume, "Target": STARTER_FOLDER}
    host["Mounts"] = [{**mount, "ReadOnly": True, "VolumeOptions": {"NoCopy": True}}]


def set_streams(body: Options, host: Options, wanted: Wanted) -> None:
    """Use pipes even for a func with a terminal, which the starter makes after it has the frame.

    When the attached client disconnects, the input ends, and so does a starter without its frame.
    """
    body.update(AttachStdin=True, AttachStdout=True, AttachStderr=True)
    body.update(OpenStdin=True, StdinOnce=True, Tty=False)


def set_environment(body: Options, host: Options, wanted: Wanted) -> None:
    body["Env"] = list(wanted.func.config.env)


def set_working_dir(body: Options, host: Options, wanted: Wanted) -> None:
    if wanted.func.config.working_dir:
        body["WorkingDir"] = wanted.func.config.working_dir


def set_labels(body: Options, host: Options, wanted: Wanted) -> None:
    """Leave out a definition's labels that are named like those of this service."""
    labels = wanted.func.config.labels.items()
    others = {name: text for name, text in labels if not name.startswith(OWN_LABELS)}
    body["Labels"] = {**others, **wanted.labels}


def limit_memory(body: Options, host: Options, wanted: Wanted) -> None:
    """Allow no swap: MemorySwap is memory and swap together."""
    host["Memory"] = host["MemorySwap"] = wanted.func.size.memory_bytes


def limit_cpus(body: Options, host: Options, wanted: Wanted) -> None:
    """Set a quota over all CPUs, of at most as many as the engine has (see `cap_cpus`)."""
    host["NanoCpus"] = min(wanted.func.size.cpus, wanted.capacity.cpus) * 10**9


def limit_processes(body: Options, host: Options, wanted: Wanted) -> None:
    host["PidsLimit"] = wanted.settings.max_processes


def limit_log(body: Options, host: Options, wanted: Wanted) -> None:
    """Keep the output in case the call is taken over. Only the `local` driver keeps every byte."""
    host["LogConfig"] = {
        "Type": "local",
        "Config": {
            "max-size": str(wanted.settings.container_log_bytes),
            "max-file": "2",
            "compress": "false",
        },
    }


def limit_disk(body: Options, host: Options, wanted: Wanted) -> None:
    if wanted.quota_bytes:
        host["StorageOpt"] = {"size": str(wanted.quota_bytes)}


def set_network(body: Options, host: Options, wanted: Wanted) -> None:
    func, network = wanted.func.host_config, wanted.settings.network
    host["NetworkMode"] = func.network_mode
    if func.links:
        host["Links"] = list(func.links)
    if network and func.network_mode == "bridge":
        host["NetworkMode"] = network


def set_ports(body: Options, host: Options, wanted: Wanted) -> None:
    func = wanted.func
    bindings = func.host_config.port_bindings
    exposed = {*func.config.exposed_ports, *bindings}
    if exposed:
        body["ExposedPorts"] = {port: {} for port in sorted(exposed)}
    if bindings:
        host["PortBindings"] = {
            port: [{"HostIp": one.host_ip, "HostPort": one.host_port} for one in bound]
            for port, bound in bindings.items()
        }
    if func.host_config.publish_all_ports:
        host["PublishAllPorts"] = True


def set_volumes(body: Options, host: Options, wanted: Wanted) -> None:
    if wanted.func.host_config.volumes_from:
        host["VolumesFrom"] = list(wanted.func.host_config.volumes_from)


def harden(body: Options, host: Options, wanted: Wanted) -> None:
    if wanted.settings.hardened:
        host["SecurityOpt"] = ["no-new-privileges"]
        host["CapDrop"] = ["ALL"]
        host["CapAdd"] = list(KEPT_CAPABILITIES)


def make_root_read_only(body: Options, host: Options, wanted: Wanted) -> None:
    if wanted.settings.read_only_root:
        host["ReadonlyRootfs"] = True
        host["Tmpfs"] = {"/tmp": "rw,nosuid,nodev,mode=1777"}  # noqa: S108  # in the container


def set_runtime(body: Options, host: Options, wanted: Wanted) -> None:
    if wanted.settings.runtime:
        host["Runtime"] = wanted.settings.runtime


_OPTIONS: tuple[Callable[[Options, Options, Wanted], None], ...] = (
    set_image,
    set_starter,
    set_streams,
    set_environment,
    set_working_dir,
    set_labels,
    limit_memory,
    limit_cpus,
    limit_processes,
    limit_log,
    limit_disk,
    set_network,
    set_ports,
    set_volumes,
    harden,
    make_root_read_only,
    set_runtime,
)


def command_of(func: Func, image: Image) -> list[str]:
    """Return the words to run, merged as the engine does it.

    A definition's entrypoint replaces both the image's entrypoint and its command. An entrypoint of
    one empty string only removes them.
    """
    config = func.config
    if not config.entrypoint:
        return [*image.entrypoint, *(config.cmd or image.cmd)]
    entrypoint = [] if list(config.entrypoint) == [""] else list(config.entrypoint)
    return [*entrypoint, *config.cmd]
