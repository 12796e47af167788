"""Starting dockerd where one was killed, and clearing away what that one left.

As a program, with a place and a command, it makes way for the command and becomes it.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from dev.machine import as_root, bridge, forwarding, processes
from dev.machine.waiting import NotInTime, wait_until

PID_FILE = "dockerd.pid"
CONTAINERD = "exec/containerd/containerd"
"""What its containerd's files begin with, below the engine's place."""

END_SECONDS = 10
CGROUPS = Path("/sys/fs/cgroup")


def namespace_of(place: Path) -> str:
    """Return the engine's name for containerd, which refuses a `_` at an end or twice."""
    return place.name.replace("_", "")


def bridge_of(place: Path) -> str:
    """Return the name of the engine's bridge: an interface's has at most 15 characters."""
    return namespace_of(place).replace("funcsvc-", "func-")


def make_way(place: Path) -> None:
    """Remove the pid files of an engine that was killed, and see that its processes have ended.

    dockerd takes the process that such a file names for a living one, be it dead or another.
    """
    for file in (place / PID_FILE, place / f"{CONTAINERD}.pid"):
        if not _ends(file, place):
            os.kill(int(file.read_text()), signal.SIGKILL)
        file.unlink(missing_ok=True)


def _ends(file: Path, place: Path) -> bool:
    """Wait until the process of a pid file has ended, and return whether it did."""
    with contextlib.suppress(NotInTime):
        return wait_until(lambda: not _runs(file, place), f"{file} is dead", END_SECONDS)
    return False


def _runs(file: Path, place: Path) -> bool:
    with contextlib.suppress(OSError):
        process = Path("/proc", file.read_text().strip())
        has_name = (process / "comm").read_text().strip() == file.stem
        return has_name and str(place).encode() in (process / "cmdline").read_bytes()
    return False


def cgroup_of(place: Path) -> str:
    """Return the name of the engine's cgroup; systemd wants a slice."""
    return f"{namespace_of(place)}.slice"


def clear(place: Path, data: Path) -> None:
    """End what is left of a dockerd whose parent is gone, and remove what it made elsewhere.

    That is its processes with their sockets, its cgroups, and the bridges of its networks.
    """
    _ends(place / PID_FILE, place)
    sockets = _sockets_of_shims(place)
    arguments = (
        f"--pidfile={place}/{PID_FILE}",  # dockerd
        f"{place}/{CONTAINERD}.toml",  # containerd
        namespace_of(place),  # the shim of a container
    )
    left = processes.with_argument(*arguments)
    if left:
        pids = [*(child for pid in left for child in processes.children_of(pid)), *left]
        as_root.run("sh", "-c", 'kill -KILL "$@"', "sh", *map(str, pids), check=False)
        wait_until(lambda: not processes.with_argument(*arguments), f"{pids} are dead")
    for path in sockets:
        as_root.run("rm", "-f", path, check=False)
    _remove_cgroups(cgroup_of(place))
    for name in (bridge_of(place), *_bridges_of_networks(data)):
        bridge.remove(name)
    forwarding.restore()


def _sockets_of_shims(place: Path) -> list[str]:
    """Return the sockets in /run/containerd of shims; each container's folder names its own."""
    if not (place / "exec").exists():
        return []
    found = as_root.run(
        "find", place / "exec", "-name", "address", "-type", "f", "-exec", "cat", "{}", "+",
        check=False,
    )  # fmt: skip
    return [path for path in found.stdout.split("unix://") if path]


def _bridges_of_networks(data: Path) -> set[str]:
    """Return the bridges of networks that its users made, from the engine's database of them."""
    file = data / "network/files/local-kv.db"
    words = ("--only-matching", "--text", "--no-filename", '"BridgeName":"br-[0-9a-f]*"')
    found = as_root.run("grep", *words, file, check=False).stdout
    return {line.split('"')[3] for line in found.splitlines()}


def _remove_cgroups(name: str) -> None:
    below = ("(", "-name", name, "-o", "-path", f"*/{name}/*", ")")
    remove = ("-exec", "rmdir", "{}", ";")
    as_root.run("find", CGROUPS, "-depth", "-type", "d", *below, *remove, check=False)


if __name__ == "__main__":
    make_way(Path(sys.argv[1]))
    if forwarding.FORWARDS_NOTHING not in sys.argv:
        forwarding.keep()
    os.environ["TMPDIR"] = sys.argv[1]  # containerd leaves what it says of its own trouble there
    os.execvp(sys.argv[2], sys.argv[2:])
