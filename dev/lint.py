"""`make lint`: style, format and types. All are checked, whichever fails."""

import shlex
import subprocess
import sys

from dev.machine import places

CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


def find_failures() -> list[str]:
    """Run each check in the terminal; the command lines of those that failed."""
    failed = []
    for program, *arguments in CHECKS:
        print(f"== {program} {shlex.join(arguments)}", flush=True)
        if (
            subprocess.run(
                [f".venv/bin/{program}", *arguments], cwd=places.ROOT, check=False
            ).returncode
            != 0
        ):
            failed.append(shlex.join([program, *arguments]))
    return failed


def main() -> None:
    failed = find_failures()
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
