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

MAX_NUMBER: Final = 2**63 - 1


def _numbers_to(last: str) -> str:
    """Return a regular expression for the decimal numbers from 1 to `last`."""
    others = [f"[1-9][0-9]{{0,{len(last) - 2}}}", last]
    for place, digit in enumerate(last):
        lowest, left = int(place == 0), len(last) - place - 1
        if int(digit) > lowest:
            others.append(f"{last[:place]}[{lowest}-{int(digit) - 1}][0-9]{{{left}}}")
    return "|".join(others)


_NAMES = "|".join(sorted(map(re.escape, SIGNAL_NAMES)))
SIGNAL_PATTERN: Final = (
    "(?:[sS][iI][gG])?(?:"
    + re.sub("[A-Z]", lambda letter: f"[{letter[0]}{letter[0].lower()}]", _NAMES)
    + f")|0*(?:{_numbers_to(str(MAX_NUMBER))})"
)
"""A regular expression for the names in any case, and for the numbers that the engine reads."""

_SIGNAL = re.compile(SIGNAL_PATTERN)


def is_signal(value: str | int) -> bool:
    """Tell whether a value is the name of a signal, with or without SIG, or a number over 0."""
    if isinstance(value, int):
        return 0 < value <= MAX_NUMBER
    return bool(_SIGNAL.fullmatch(value))
