"""`make test`: the lint, every test against a real Redis and a real engine, and the coverage."""

import os
import sys

from dev import lint
from dev.services import run_command, run_job, services

COVERAGE = [".venv/bin/coverage"]

# Most tests wait for processes most of the time; each file runs in one process, with its servers,
# and the files begin in the order in which tests/conftest.py has them.
PROCESSES = min((os.cpu_count() or 1) + 2, 8)
DISTRIBUTION = ["--dist=loadfile", "--no-loadscope-reorder"]
PYTEST = ["run", "-m", "pytest", f"--numprocesses={PROCESSES}", *DISTRIBUTION]


def report_coverage(environment: dict[str, str]) -> list[str]:
    """Print the lines and branches that no test reached; the steps that failed."""
    steps = {"coverage combine": ["combine", "--quiet"], "coverage report": ["report"]}
    return [
        name
        for name, arguments in steps.items()
        if run_job([*COVERAGE, *arguments], environment) != 0
    ]


def main() -> None:
    failed = lint.find_failures()
    with services("test") as children:
        environment = {**children.environment, "FUNCSVC_REQUIRE_SERVICES": "1"}
        print("== pytest", flush=True)
        run_job([*COVERAGE, "erase"], environment)
        if run_job([*COVERAGE, *PYTEST, *sys.argv[1:]], environment) != 0:
            failed.append("pytest")
        failed += report_coverage(environment)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    run_command(main)
