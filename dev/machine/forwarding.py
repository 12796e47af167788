"""What an engine changes for the whole machine: its forwarding of packets, and common chains.

The first engine switches forwarding on, and closes it for others than itself; no engine ever
switches it back.
"""

import json
from pathlib import Path

from dev.machine import as_root, firewall, processes

SWITCH = Path("/proc/sys/net/ipv4/ip_forward")


def keep(place: Path) -> None:
    """Note how it was before, unless another engine is at work."""
    if not _an_engine_runs():
        was_open = ["-P", "FORWARD", "ACCEPT"] in firewall.list_rules("iptables", "filter")
        state = {"was_on": SWITCH.read_text().strip() == "1", "was_open": was_open}
        _file_of(place).write_text(json.dumps(state))


def restore(place: Path) -> None:
    """Restore what was noted, and remove the chains of engines, unless another is at work."""
    if not _file_of(place).exists() or _an_engine_runs():
        return
    state = json.loads(_file_of(place).read_text())
    _file_of(place).unlink()
    firewall.remove_chains()
    if state["was_open"]:
        as_root.run("iptables", "-w", "-P", "FORWARD", "ACCEPT", check=False)
    if not state["was_on"]:
        as_root.run("sh", "-c", f"echo 0 > {SWITCH}", check=False)


def _file_of(place: Path) -> Path:
    return place / "forwarding.json"


def _an_engine_runs() -> bool:
    return bool(processes.named("dockerd"))
