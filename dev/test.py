"""`make test` and `make coverage`: the lint, and every test, against a real Redis and engine."""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from dev import heed_ctrl_c, lint
from dev.services import run_command, run_job, services

PYTHON = [".venv/bin/python"]
COVERAGE = [".venv/bin/coverage"]
WITH_COVERAGE = "--coverage"
"""The first argument of `make coverage`, which takes longer: it measures every process."""

# Most tests wait for processes most of the time; each file runs in one process, with its servers,
# and the files begin in the order in which tests/conftest.py has them.
PROCESSES = min((os.cpu_count() or 1) + 2, 8)
DISTRIBUTION = ["--dist=loadfile", "--no-loadscope-reorder"]
PYTEST = ["-m", "pytest", f"--numprocesses={PROCESSES}", *DISTRIBUTION]


def report_coverage(environment: dict[str, str]) -> list[str]:
    """Print the lines and branches that no test reached; the steps that failed."""
    steps = {"coverage combine": ["combine", "--quiet"], "coverage report": ["report"]}
    return [
        name
        for name, arguments in steps.items()
        if run_job([*COVERAGE, *arguments], environment) != 0
    ]


def run_tests(environment: dict[str, str]) -> list[str]:
    """Run the tests that were asked for, or all; the steps that failed."""
    print("== pytest", flush=True)
    if sys.argv[1:2] != [WITH_COVERAGE]:
        return [] if run_job([*PYTHON, *PYTEST, *sys.argv[1:]], environment) == 0 else ["pytest"]
    run_job([*COVERAGE, "erase"], environment)
    passed = run_job([*COVERAGE, "run", *PYTEST, *sys.argv[2:]], environment) == 0
    return [*([] if passed else ["pytest"]), *report_coverage(environment)]


def main() -> None:
    # The linters run while the first tests wait for their servers, and are shown at the end.
    with tempfile.TemporaryFile("w+") as said, ThreadPoolExecutor(1) as background:
        checks = background.submit(lint.find_failures, said)
        with services("test") as children:
            failed = run_tests({**children.environment, "FUNCSVC_REQUIRE_SERVICES": "1"})
        failed = [*checks.result(), *failed]
        said.seek(0)
        print(said.read(), end="", flush=True)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    heed_ctrl_c()
    run_command(main)
