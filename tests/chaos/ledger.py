"""The ledger: which calls were accepted, and how each one ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.chaos.load import Load
from tests.e2e.plant import Plant

DRAIN_SECONDS = 45


@dataclass
class Ledger:
    """Counts of calls. `wrong` has a sentence for each rule that was broken."""

    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    finished: int = 0
    failed: int = 0
    lost: int = 0
    run_twice: int = 0
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def drawn_up(cls, plant: Plant, load: Load) -> Ledger:
        """Ask for the output of every call and count the answers."""
        ledger = cls(load.accepted_calls, load.refused, load.unknown)
        end = time.monotonic() + DRAIN_SECONDS
        for name, call_ids in plant.accepted.items():
            for call_id in call_ids:
                ledger._count(plant, name, call_id, end)
        ledger.run_twice = sum(times > 1 for times in plant.runs().values())
        ledger._check_counters(plant)
        ledger._check_rest(plant, end)
        return ledger

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, ran twice or was left behind."""
        return not (self.lost or self.run_twice or self.wrong)

    def text(self) -> str:
        """Return the ledger as text for the terminal."""
        names = ("accepted", "finished", "failed", "lost", "run_twice", "refused", "unknown")
        rows = [f"{name.replace('_', ' '):>10} {getattr(self, name):5}" for name in names]
        return "\n".join([*rows, *self.wrong])

    def _count(self, plant: Plant, name: str, call_id: str, end: float) -> None:
        seconds = max(1.0, end - time.monotonic())
        try:
            status = plant.functions.output(name, call_id, seconds).status
        except TimeoutError:
            status = 0
        self.finished += status == 200
        self.failed += status in (500, 504, 509)
        self.lost += status not in (200, 500, 504, 509)

    def _check_counters(self, plant: Plant) -> None:
        """Compare the counters with the ledger. A call without an answer might be stored or not."""
        counts = [plant.functions.counts(name) for name in plant.accepted]
        total = sum(it["Total"] for it in counts)
        ended = sum(it["Finished"] + it["Failed"] for it in counts)
        if total != ended:
            self.wrong.append(f"{total} calls in all, but {ended} have ended")
        if not self.accepted <= total <= self.accepted + self.unknown + self.refused:
            self.wrong.append(f"{total} calls stored, but {self.accepted} accepted")

    def _check_rest(self, plant: Plant, end: float) -> None:
        try:
            plant.check_nothing_is_left(max(5.0, end - time.monotonic()))
        except AssertionError as error:
            self.wrong.append(f"left behind: {error}")
