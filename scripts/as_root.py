"""Runs a command as root through sudo, and ends it when this process ends, however that happens.

A user may not signal what sudo started, and the kernel's parent-death signal doesn't survive sudo.
So root's side holds the reading end of a pipe, and ends the command when the pipe closes.
"""

import os
import select
import signal
import subprocess
import sys

ROOT_SIDE = "--root-side"


def run_as_user(command: list[str]) -> int:
    """Start root's side, and close the pipe to it on SIGTERM."""
    keeper = subprocess.Popen(
        ["sudo", "--non-interactive", sys.executable, __file__, ROOT_SIDE, *command],
        stdin=subprocess.PIPE,
    )
    assert keeper.stdin is not None
    signal.signal(signal.SIGTERM, lambda *_: keeper.stdin and keeper.stdin.close())
    return keeper.wait()


def run_as_root(command: list[str]) -> int:
    """Run the command until it ends, or until the pipe on standard input is closed."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL
    )
    ready, _, _ = select.select([sys.stdin, os.pidfd_open(process.pid)], [], [])
    if sys.stdin in ready:
        process.terminate()
    return process.wait()


if __name__ == "__main__":
    if sys.argv[1] == ROOT_SIDE:
        sys.exit(run_as_root(sys.argv[2:]))
    sys.exit(run_as_user(sys.argv[1:]))
