"""The signal names that the Docker Engine knows on Linux (moby/sys/signal)."""

from __future__ import annotations

import re
import signal
from typing import Final

_ALSO: Final = {"CLD", "IOT", "STKFLT"}
"""Old names that Python's signal module lacks on some machines."""

_REALTIME: Final = (
    {"RTMIN", "RTMAX"} | {f"RTMIN+{n}" for n in range(1, 16)} | {f"RTMAX-{n}" for n in range(1, 15)}
)

SIGNAL_NAMES: Final = frozenset(
    {known.name.removeprefix("SIG") for known in signal.Signals} | _ALSO | _REALTIME
)

_MAX_NUMBER: Final = 2**63 - 1


_NAMES = "|".join(sorted(map(re.escape, SIGNAL_NAMES)))
SIGNAL_PATTERN: Final = (
    "(?:[sS][iI][gG])?(?:"
    + re.sub("[A-Z]", lambda letter: f"[{letter[0]}{letter[0].lower()}]", _NAMES)
    + ")|[1-9][0-9]{0,17}"
)
"""A regular expression for the names in any case, and for numbers that can't be out of range."""


def is_signal(value: str | int) -> bool:
    """Tell whether a value is the name of a signal, with or without SIG, or a number over 0."""
    if isinstance(value, int):
        return 0 < value <= _MAX_NUMBER
    if value.isascii() and value.isdecimal():
        return len(value) < 20 and is_signal(int(value))
    return value.upper().removeprefix("SIG") in SIGNAL_NAMES
