"""The report: figures with spread and goal, in tables; docs/performance.md and its plot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import eq, ge, le, lt
from pathlib import Path
from statistics import median

import matplotlib
from matplotlib.figure import Figure

from bench.load import percentile
from dev.servers import ROOT

Curves = Mapping[str, Sequence[float]]
"""Figures by contender, in the order in which they were taken."""

GOALS: Mapping[str, str] = {
    "funcsvc / bare route": "at least 0.7",
    "funcsvc / engine": "at least 8",
    "funcsvc: 100,000 stored / none": "at least 0.9",
    "p99 / p50: funcsvc": "under 5",
    "p99 / p50: funcsvc, 100,000 stored": "under 5",
    "Redis bytes a func: its key and its share of the index": "at most 2,048",
    "Redis bytes a func: used_memory over 100,000": "at most 2,048",
    "inspect / bare GET of a key": "at least 0.7",
    "page of 100 from 100,000 / page of 100 from 100": "at least 0.9",
    "a signature's cost, ms (p50)": "at most 0.3",
    "rate: empty queue / bare route": "at least 0.5",
    "rate: 100,000 pending / empty queue": "at least 0.9",
    "p50: call, none waiting / docker run": "at most 1.1",
    "p50, ms: call, one waiting": "at most 10",
    "p99, ms: call, one waiting": "at most 30",
    "p50: call, one waiting / docker run": "at most 0.04",
    "p50: call, one waiting / docker exec": "at most 1",
    "p50, ms: call, one waiting, 1 MB of any bytes": "at most 30",
    "p50, ms: call, one waiting, 1 MB of text": "at most 30",
    "p99 of a burst of 10 / p50 of docker run": "at most 0.333",
    "calls, none waiting / docker-py": "at least 0.9",
    "calls, instances waiting / docker-py": "at least 0.95",
    "calls, instances waiting / calls, none waiting": "at least 1",
    "containers left": "0",
}
"""By figure. Those of processes are with their rows: their figures say how much was done."""

_COMPARISONS = {"at least": ge, "at most": le, "under": lt, "": eq}


@dataclass(frozen=True)
class Row:
    """A line of a table: a figure of each round, how many decimals it has, its goal.

    The goal, if it isn't in GOALS, and the verdict, if it doesn't follow from the goal, are given.
    """

    figure: str
    values: Sequence[float]
    decimals: int = 0
    goal: str = ""
    verdict: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the line's texts."""
        low, middle, high = min(self.values), median(self.values), max(self.values)
        texts = [f"{value:,.{self.decimals}f}" for value in (low, middle, high)]
        spread = f"{texts[0]} to {texts[2]}" if len(self.values) > 1 else ""
        goal, verdict = self.goal or GOALS.get(self.figure, ""), self.verdict
        if goal and not verdict:
            comparison, _, bound = goal.removeprefix("flat: ").rpartition(" ")
            is_reached = _COMPARISONS[comparison](middle, float(bound.replace(",", "")))
            verdict = "yes" if is_reached else "**no**"
        return self.figure, texts[1], spread, goal, verdict


@dataclass(frozen=True)
class Section:
    """One part of the page. The latencies in `curves` are plotted."""

    rows: Sequence[Row]
    numbers: Mapping[str, float] = field(default_factory=dict)
    curves: Curves = field(default_factory=dict)

    def text(self, docstring: str, **numbers: float) -> str:
        """Return the section as Markdown; the docstring is that of the part, with its title."""
        title, *how = docstring.format(**numbers, **self.numbers).splitlines()
        lines: list[tuple[str, ...]] = [("figure", "median", "min to max", "goal", "reached")]
        lines += [row.cells() for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
            for line in lines
        ]
        table.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
        return f"## {title}\n\n{' '.join(' '.join(how).split())}\n\n" + "\n".join(table)


def ratio_rows(by_name: Curves, prefix: str = "", decimals: int = 2) -> Iterator[Row]:
    """Yield the ratio of each two contenders that there is a goal for, round by round."""
    for figure in GOALS:
        above, _, below = figure.removeprefix(prefix).partition(" / ")
        if figure.startswith(prefix) and above in by_name and below in by_name:
            pairs = zip(by_name[above], by_name[below], strict=True)
            yield Row(figure, [upper / lower for upper, lower in pairs], decimals)


def latency_rows(latencies: Curves) -> Iterator[Row]:
    """Yield p50 with its spread and p99 of each contender, then the ratios of their p50s."""
    for name, taken in latencies.items():
        yield Row(f"p50, ms: {name}", middles(taken), 1)
        yield Row(f"p99, ms: {name}", [percentile(taken, 99)], 1)
    p50s = {name: middles(taken) for name, taken in latencies.items()}
    yield from ratio_rows(p50s, "p50: ", 3)


def middles(taken: Sequence[float]) -> list[float]:
    """Return the p50 of each fifth of latencies, each of what was taken together."""
    size = -(-len(taken) // 5)
    return [percentile(taken[at : at + size], 50) for at in range(0, len(taken), size)]


_PAGE, _PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
_TEXT = """\
# Performance

Made by `make bench ARGS="{arguments}"`, which measures again and writes this page.

{machine}.

Figures of one machine mean little on another, and change with what else is at work there: the
ratios are what counts, since every peer is measured in the same run, in turns. A goal that isn't
reached is said here, and fails nothing. "min to max" is over rounds, or over fifths of the calls.

![Latency distributions](performance.svg)

{sections}
"""


def write_page(texts: Sequence[str], curves: Curves, machine: str, arguments: str) -> None:
    """Write the page of these sections and, where there are latencies, the plot."""
    sections = "\n\n".join(texts)
    _PAGE.write_text(_TEXT.format(arguments=arguments, machine=machine, sections=sections))
    if curves:
        draw(curves, _PLOT)


def draw(curves: Curves, file: Path) -> None:
    """Draw latency distributions side by side, as SVG; the same curves give the same file."""
    matplotlib.rc("svg", hashsalt="funcsvc")
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=matplotlib.color_sequences["petroff10"])
    for name, taken in curves.items():
        axes.ecdf(taken, label=f"{name}: {percentile(taken, 50):.3g} ms")
    axes.set_xscale("log", subs=(2, 5))
    axes.grid(which="both", color="#dddddd")
    axes.tick_params(which="both", length=3)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set(title="Share of calls that took at most this long", xlabel="milliseconds")
    figure.legend(loc="outside right upper", title="p50", frameon=False)
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
