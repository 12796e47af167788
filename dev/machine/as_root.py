"""Commands that need root: as they are for root, through sudo for any other user.

As a program it runs a command as root, and ends it when this process ends, however that happens. A
user may not signal what sudo started, and the kernel's parent-death signal doesn't survive sudo. So
root's side holds the reading end of a pipe, and ends the command when the pipe closes.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from dev.machine.processes import with_parent

SEARCH_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
ROOT_SIDE = "--root-side"


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as root, and return what it printed; without `check` it may fail in silence."""
    # through env, for a program that isn't there is then a failure like any other
    words = ["env", f"PATH={SEARCH_PATH}", *map(str, command)]
    return subprocess.run(
        words if os.geteuid() == 0 else ["sudo", *words],
        check=check,
        stdout=subprocess.PIPE,
        stderr=None if check else subprocess.DEVNULL,
        text=True,
    )


def lasting(*command: str) -> list[str]:
    """Return the command line that runs a command as root for as long as its parent lives."""
    if os.geteuid() == 0:
        return [*command]
    return [sys.executable, "-m", "dev.machine.as_root", *command]


def run_as_user(command: list[str]) -> int:
    """Start root's side, and close the pipe to it on SIGTERM."""
    # without -B, compiled modules of root's would stay in the checkout
    program = [sys.executable, "-B", "-m", "dev.machine.as_root", ROOT_SIDE]
    keeper = subprocess.Popen(
        ["sudo", "--non-interactive", *program, *command], stdin=subprocess.PIPE
    )
    assert keeper.stdin is not None
    signal.signal(signal.SIGTERM, lambda *_: keeper.stdin and keeper.stdin.close())
    return keeper.wait()


def run_as_root(command: list[str]) -> int:
    """Run the command until it ends, or until the pipe on standard input is closed."""
    process = subprocess.Popen(with_parent("TERM", *command), stdin=subprocess.DEVNULL)
    ready, _, _ = select.select([sys.stdin, os.pidfd_open(process.pid)], [], [])
    if sys.stdin in ready:
        process.terminate()
    return process.wait()


if __name__ == "__main__":
    if sys.argv[1] == ROOT_SIDE:
        sys.exit(run_as_root(sys.argv[2:]))
    sys.exit(run_as_user(sys.argv[1:]))
