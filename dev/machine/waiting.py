"""Waiting for conditions."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 60
"""How long to wait for what comes at once: it ends a wait for what never comes, on any machine."""
NEVER_SECONDS = 600
"""A setting's deadline that no test lives to see: what comes before it wasn't brought by it."""

Answer = TypeVar("Answer")


class NotInTime(AssertionError):
    """Raised when a condition has not come true in time, which is how a test fails."""


def wait_until(
    condition: Callable[[], Answer], what: str, seconds: float = PATIENCE_SECONDS
) -> Answer:
    """Return the first true answer of `condition`.

    Raises NotInTime, with `what`, unless there is one within `seconds`.
    """
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise NotInTime(f"not within {seconds:g} seconds: {what}")
        time.sleep(POLL_SECONDS)
    return answer
