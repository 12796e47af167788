"""How to write when the answer can be lost: write, then read back what became of it."""

from __future__ import annotations

from collections.abc import Callable

from funcsvc.store.translation import AnswerLost

ATTEMPTS = 2
"""How many times a write is sent if its connection breaks before it is carried out."""


def settle(write: Callable[[], str], read_back: Callable[[], str | None]) -> str:
    """Run a write and return its verdict, even if its answer is lost.

    `read_back` returns the verdict that the data in Redis proves, or None if nothing was written.
    In that case the write is sent once more, unless Redis was silent: then it can still carry out
    the first one, until that one's deadline. Raises StoreUnavailable if there is no verdict.
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
