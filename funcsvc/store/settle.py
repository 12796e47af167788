"""The one way to write when the answer may be lost: write, and read back what became of it."""

from __future__ import annotations

from collections.abc import Callable

from funcsvc.store.translation import AnswerLost

ATTEMPTS = 2
"""How often a write is sent whose connection breaks before it arrives."""


def settle(write: Callable[[], str], read_back: Callable[[], str | None]) -> str:
    """Return the verdict of a write, also where its answer was lost.

    `read_back` returns the verdict that Redis's state proves, or None if nothing was written. The
    write is then sent once more, unless Redis was silent: it may still carry out the first one,
    until the deadline within it. Raises StoreUnavailable if it isn't known to have been written.
    """
    lost: AnswerLost | None = None
    for _ in range(ATTEMPTS):
        try:
            return write()
        except AnswerLost as error:
            lost = error
        verdict = read_back()
        if verdict is not None:
            return verdict
        if lost.timed_out:
            break
    assert lost is not None
    raise lost
