"""The signals that the Docker Engine knows by name on Linux (moby/sys/signal)."""

from __future__ import annotations

import re
import signal
from typing import Final

_ALSO: Final = {"CLD", "IOT", "STKFLT"}
"""Names of old that Python's signal module lacks on some machines."""

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
"""The names in any case, or a number that is in no doubt, as a regular expression."""


def is_signal(value: str | int) -> bool:
    """Tell whether the value names a signal, with or without SIG, or is a number over 0."""
    if isinstance(value, int):
        return 0 < value <= _MAX_NUMBER
    if value.isascii() and value.isdecimal():
        return len(value) < 20 and is_signal(int(value))
    return value.upper().removeprefix("SIG") in SIGNAL_NAMES
