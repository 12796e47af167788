"""`make bench`: the benchmark, with a Redis and an engine like those of `make run`."""

import sys

from dev import heed_ctrl_c
from dev.services import run_command, run_job, services


def main() -> None:
    with services("bench") as children:
        sys.exit(run_job([sys.executable, "-m", "bench", *sys.argv[1:]], children.environment))


if __name__ == "__main__":
    heed_ctrl_c()
    run_command(main)
