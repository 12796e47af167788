"""`make chaos`: kills, stops and restarts real processes at random, under load.

The run is seeded and takes at most two minutes. It prints its faults and the ledger, and exits
with 1 if a call was lost or ran twice, or if anything is left behind.
"""

from __future__ import annotations

import argparse
import random
import sys
import time

from dev import heed_ctrl_c
from tests.chaos.faults import Faults
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.e2e.plant import Plant, plant

FAULT_SECONDS = 65
REST_SECONDS = (1.0, 4.0)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    seed = parser.parse_args().seed
    print(f"seed {seed}; the same again: make chaos ARGS='--seed {seed}'", flush=True)
    with plant(engines=2, workers=2, slots=6, lease_seconds=2) as made:
        made.add_worker(engine=0)
        ledger = run(made, random.Random(seed))
    print(ledger.text())
    sys.exit(0 if ledger.is_clean else 1)


def run(made: Plant, chance: random.Random) -> Ledger:
    """Cause random faults under load, repair everything and return the ledger."""
    load = Load(made)
    load.define_functions()
    faults = Faults(made, chance)
    start = time.monotonic()
    with load.running():
        while time.monotonic() < start + FAULT_SECONDS:
            print(f"{time.monotonic() - start:5.1f} s  {faults.happen()}", flush=True)
            time.sleep(chance.uniform(*REST_SECONDS))
            faults.mend_what_is_due()
    faults.mend_all()
    print(f"{time.monotonic() - start:5.1f} s  all is mended, {load.accepted_calls} calls accepted")
    return Ledger.drawn_up(made, load)


if __name__ == "__main__":
    heed_ctrl_c()
    main()
