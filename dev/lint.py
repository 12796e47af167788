"""`make lint`: style, format and types. All are checked, whichever fails."""

import shlex
import subprocess
import sys
from typing import TextIO

from dev import heed_ctrl_c
from dev.machine import places

CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


def find_failures(output: TextIO = sys.stdout) -> list[str]:
    """Run each check; the command lines of those that failed. What they print goes to a file."""
    failed = []
    for program, *arguments in CHECKS:
        print(f"== {program} {shlex.join(arguments)}", file=output, flush=True)
        command = [f".venv/bin/{program}", *arguments]
        done = subprocess.run(
            command, cwd=places.ROOT, stdout=output, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode != 0:
            failed.append(shlex.join([program, *arguments]))
    return failed


def main() -> None:
    failed = find_failures()
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    heed_ctrl_c()
    main()
