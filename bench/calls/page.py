"""docs/performance.md and its plot: what was measured, and the command that measures it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.calls.plot import plot
from bench.calls.section import Section
from bench.processes import ROOT

_PAGE, _PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"

_TEXT = """\
# Performance

Made by `make bench ARGS="{arguments}"`, which measures again and writes this page.

{machine}.

Figures of one machine mean little on another, and change with what else is at work there: the
ratios are what counts, since every peer is measured in the same run, in turns. A goal that isn't
reached is said here, and fails nothing. "min to max" is over rounds, or over fifths of the calls.

![Latency distributions](performance.svg)

"""


def write_page(
    sections: Sequence[Section], more: Sequence[str], machine: str, arguments: str
) -> None:
    """Write the page and, where there are latencies, the plot."""
    head = _TEXT.format(arguments=arguments, machine=machine)
    curves = {name: taken for section in sections for name, taken in _curves(section)}
    if curves:
        _PLOT.write_text(plot(curves))
    else:
        head = head.replace("![Latency distributions](performance.svg)\n\n", "")
    parts = [*(section.text() for section in sections), *more]
    _PAGE.write_text(head + "\n\n".join(parts) + "\n")


def _curves(section: Section) -> Sequence[tuple[str, Sequence[float]]]:
    return [(name, taken) for name, taken in section.curves.items() if taken]
