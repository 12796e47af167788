"""What an engine changes for the whole machine: its forwarding of packets, and common chains.

The first engine switches forwarding on, and closes it for others than itself; no engine ever
switches it back. So one note for the machine says how it was before the first, and whoever ends
last restores that. Each engine holds a shared lock of the note.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from pathlib import Path
from typing import TextIO

from dev.machine import as_root, firewall, processes

SWITCH = Path("/proc/sys/net/ipv4/ip_forward")
NOTE = Path(f"/run/funcsvc-forwarding-{os.stat('/proc/self/ns/net').st_ino}.json")
"""Forwarding is a network namespace's own."""

FORWARDS_NOTHING = "--ip-forward=false"


def keep() -> None:
    """As root, note how it was before, and hold the note until this process ends, a dockerd then.

    What is noted already stays: an engine that was killed has restored nothing.
    """
    while not (file := _held()):
        was_open = ["-P", "FORWARD", "ACCEPT"] in firewall.list_rules("iptables", "filter")
        _write({"was_on": SWITCH.read_text().strip() == "1", "was_open": was_open})
    with file:
        os.set_inheritable(os.dup(file.fileno()), True)


def _held() -> TextIO | None:
    """Return the note with a shared lock; None where it isn't there, or was just removed."""
    with contextlib.suppress(FileNotFoundError):
        file = NOTE.open()
        fcntl.flock(file, fcntl.LOCK_SH)
        if NOTE.exists() and os.path.samestat(os.fstat(file.fileno()), NOTE.stat()):
            return file
        file.close()
    return None


def _write(state: dict[str, bool]) -> None:
    """Write the note at once and whole, unless another is quicker."""
    with tempfile.NamedTemporaryFile("w", dir=NOTE.parent, prefix=NOTE.stem) as file:
        os.fchmod(file.fileno(), 0o644)
        json.dump(state, file)
        file.flush()
        with contextlib.suppress(FileExistsError):
            os.link(file.name, NOTE)


def restore() -> None:
    """Restore what was noted, and remove the chains of engines, unless another is at work."""
    with contextlib.suppress(FileNotFoundError, BlockingIOError), NOTE.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _engines():
            _restore(json.load(file))
            as_root.run("rm", "-f", NOTE)


def _engines() -> set[int]:
    """Return the engines that forward: those of the tests leave all of this alone."""
    return {*processes.named("dockerd")}.difference(processes.with_argument(FORWARDS_NOTHING))


def _restore(state: dict[str, bool]) -> None:
    firewall.remove_chains()
    if state["was_open"]:
        as_root.run("iptables", "-w", "-P", "FORWARD", "ACCEPT", check=False)
    if not state["was_on"]:
        as_root.run("sh", "-c", f"echo 0 > {SWITCH}", check=False)
