"""Root's side of a command: it runs what needs root, and undoes it when the command has ended.

It listens at a socket of the user's. A request is a command, with the streams that it prints to; a
request whose connection is closed has its command ended. Its standard input is a pipe from the
command, and ends with it, even when it is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from dev.machine import dockerd, places, processes
from dev.machine.as_root import COMMAND_BYTES
from dev.machine.processes import with_parent
from dev.machine.waiting import NotInTime, wait_until

CHILDREN_SECONDS = 120
UNHEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP)
"""What the terminal sends is for the command; this ends only after it."""

REQUESTS = 32

_kept: list[int] = []


def listen(place: Path, user: int, group: int) -> socket.socket:
    """Make the place for this user, and a socket in it that nobody else may use."""
    place.mkdir(mode=0o755, exist_ok=True)
    os.chown(place, user, group)
    path = place / "root.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.umask(0o177)
    listener.bind(str(path))
    os.umask(0o022)
    os.chown(path, user, group)
    listener.listen(REQUESTS)
    return listener


def serve(listener: socket.socket, user: int) -> None:
    """Answer requests until standard input ends."""
    places_left = threading.BoundedSemaphore(REQUESTS)
    while 0 not in select.select([listener.fileno(), 0], [], [])[0]:
        connection, _ = listener.accept()
        if _user_of(connection) in (0, user) and places_left.acquire(blocking=False):
            threading.Thread(target=_answer, args=(connection, places_left), daemon=True).start()
        else:
            connection.close()


def _user_of(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", credentials)[1])


def _answer(connection: socket.socket, places_left: threading.BoundedSemaphore) -> None:
    try:
        with connection, contextlib.suppress(OSError, ValueError):
            message, descriptors, _, _ = socket.recv_fds(connection, COMMAND_BYTES, 2)
            _carry_out(connection, message, descriptors)
    finally:
        places_left.release()


def _carry_out(connection: socket.socket, message: bytes, descriptors: list[int]) -> None:
    """Run a command to its streams, or keep the descriptors of a request without one."""
    with contextlib.ExitStack() as received:
        for descriptor in descriptors:
            received.callback(os.close, descriptor)
        command = json.loads(message) if message else []
        if command:
            connection.send(str(_run(connection, command, descriptors)).encode())
        elif descriptors:
            received.pop_all()
            _kept.extend(descriptors)
            connection.send(b"0")


def _run(connection: socket.socket, command: list[str], streams: list[int]) -> int:
    """Run a command until it ends, or its connection is closed by the other side."""
    process = subprocess.Popen(
        with_parent("TERM", *command),
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        process_group=0,
    )
    ended = os.pidfd_open(process.pid)
    if connection.fileno() in select.select([connection.fileno(), ended], [], [])[0]:
        process.terminate()
    os.close(ended)
    status = process.wait()
    return 128 - status if status < 0 else status


def undo(place: Path, data: Path | None) -> None:
    """Wait until the command's children have ended by themselves, and clear away what they left."""
    if data:
        configuration = f"{data}/supervisord.conf"
        with contextlib.suppress(NotInTime):
            wait_until(
                lambda: not processes.with_argument(configuration), "they end", CHILDREN_SECONDS
            )
        dockerd.clear(place, data / "docker")
        places.unmount_below(data / "docker")
    places.remove(place)


def main() -> None:
    user, group, place, data = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]
    for number in UNHEEDED:
        signal.signal(number, lambda *_: None)
    with listen(place, user, group) as listener:
        serve(listener, user)
    undo(place, Path(data[0]) if data else None)


if __name__ == "__main__":
    main()
