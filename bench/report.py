"""The report: figures with their spread and goal, in tables; docs/performance.md and its plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import matplotlib
from matplotlib.figure import Figure

from bench.load import Run, percentile
from bench.servers import ROOT

Latencies = Mapping[str, Sequence[float]]
"""Milliseconds by contender, in the order in which they were taken."""

_HEAD = ("figure", "median", "min to max", "goal", "reached")
_BLOCKS = 5
"""In how many parts, one after another, latencies are looked at for their spread."""


_PAGE, _PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
_PLOT_LINK = "![Latency distributions](performance.svg)\n\n"
_QUIET_LOAD = 0.25
"""The load a core above which something else is at work here."""

_TEXT = """\
# Performance

Made by `make bench ARGS="{arguments}"`, which measures again and writes this page.

{machine}.

Figures of one machine mean little on another, and change with what else is at work there: the
ratios are what counts, since every peer is measured in the same run, in turns. A goal that isn't
reached is said here, and fails nothing. "min to max" is over rounds, or over fifths of the calls.

"""


@dataclass(frozen=True)
class Goal:
    """What a figure's median has to be, and whether it is; without that it isn't judged."""

    text: str
    is_reached: Callable[[float], bool] | None = None


def at_least(bound: float) -> Goal:
    return Goal(f"at least {bound:.3g}", lambda value: value >= bound)


def at_most(bound: float) -> Goal:
    return Goal(f"at most {bound:.3g}", lambda value: value <= bound)


def under(bound: float) -> Goal:
    return Goal(f"under {bound:g}", lambda value: value < bound)


@dataclass(frozen=True)
class Row:
    """A line of a table: a figure of each round, how many decimals it has, its goal."""

    figure: str
    values: Sequence[float]
    decimals: int = 0
    goal: Goal | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the line's texts."""
        low, middle, high = (
            f"{pick(self.values):,.{self.decimals}f}" for pick in (min, median, max)
        )
        spread = f"{low} to {high}" if len(self.values) > 1 else ""
        return (self.figure, middle, spread, self.goal.text if self.goal else "", self._verdict())

    def _verdict(self) -> str:
        if self.goal is None:
            return ""
        if self.goal.is_reached is None:
            return "not judged"
        return "yes" if self.goal.is_reached(median(self.values)) else "**no**"


@dataclass(frozen=True)
class Section:
    """One part of the page. `how` says what was measured; `curves` are plotted."""

    title: str
    how: str
    rows: Sequence[Row]
    curves: Latencies = field(default_factory=dict)

    def text(self) -> str:
        """Return the section as Markdown."""
        return f"## {self.title}\n\n{self.how}\n\n{_table(self.rows)}"


def _table(rows: Sequence[Row]) -> str:
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    ]
    texts = [f"| {' | '.join(cells)} |" for cells in padded]
    return "\n".join((texts[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *texts[1:]))


def rates(taken: Mapping[str, Sequence[Run]]) -> dict[str, list[float]]:
    """Return how much each contender did a second, in each run."""
    return {name: [run.rate for run in runs] for name, runs in taken.items()}


def rate_rows(what: str, by_name: Mapping[str, Sequence[float]], decimals: int = 0) -> list[Row]:
    return [Row(f"{what}: {name}", values, decimals) for name, values in by_name.items()]


def ratio_row(
    by_name: Mapping[str, Sequence[float]], above: str, below: str, decimals: int, goal: Goal
) -> Row:
    """Return the row of how many times another's figure one's is, in each round."""
    pairs = zip(by_name[above], by_name[below], strict=True)
    return Row(f"{above} / {below}", [upper / lower for upper, lower in pairs], decimals, goal)


def latency_rows(
    latencies: Latencies, goals: Mapping[str, tuple[Goal, Goal | None]] | None = None
) -> Iterator[Row]:
    """Yield p50 and p99 of each contender: the p50 with its spread, the p99 of them all.

    `goals` has those for p50 and p99.
    """
    for name, taken in latencies.items():
        p50_goal, p99_goal = (goals or {}).get(name, (None, None))
        yield Row(f"p50, ms: {name}", middles(taken), 1, p50_goal)
        yield Row(f"p99, ms: {name}", [percentile(taken, 99)], 1, p99_goal)


def latency_ratio_row(latencies: Latencies, above: str, below: str, goal: Goal) -> Row:
    """Return the row of how many times another's p50 one's p50 is."""
    p50s = {name: middles(latencies[name]) for name in (above, below)}
    row = ratio_row(p50s, above, below, 3, goal)
    return replace(row, figure=f"p50: {row.figure}")


def middles(taken: Sequence[float]) -> list[float]:
    """Return the p50 of each fifth of latencies, each of what was taken together."""
    size = -(-len(taken) // _BLOCKS)
    parts = [taken[start : start + size] for start in range(0, len(taken), size)]
    return [percentile(part, 50) for part in parts]


def write_page(sections: Sequence[Section], machine: str, arguments: str) -> None:
    """Write the page and, where there are latencies, the plot."""
    text = _TEXT.format(arguments=arguments, machine=machine)
    curves = {name: taken for section in sections for name, taken in section.curves.items()}
    if curves:
        text += _PLOT_LINK
        draw(curves, _PLOT)
    _PAGE.write_text(text + "\n\n".join(section.text() for section in sections) + "\n")


def draw(curves: Latencies, file: Path) -> None:
    """Draw latency distributions side by side, as SVG; the same curves give the same file."""
    style = {"svg.hashsalt": "funcsvc", "font.size": 9, "axes.grid": True, "grid.color": "#ddd"}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.set_prop_cycle(color=matplotlib.color_sequences["okabe_ito"])
        for name, taken in curves.items():
            axes.ecdf(taken, label=f"{name}: {percentile(taken, 50):.3g} ms")
        axes.set_xscale("log", subs=(2, 5))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set(title="Share of calls that took at most this long", xlabel="milliseconds")
        figure.legend(loc="outside right upper", title="p50", frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})


def processor() -> str:
    """Say what the machine is."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.partition(':')[2].strip()}, Linux {platform.release()}"
    return f"{platform.machine()}, Linux {platform.release()}"


def versions() -> str:
    """Say how many cores there are, and what the service is made of."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("Flask", "gunicorn", "redis"))
    return f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {packages}"


def load_line() -> str:
    """Say whether the machine is quiet."""
    load = os.getloadavg()[0]
    if load <= _QUIET_LOAD * len(os.sched_getaffinity(0)):
        return "The machine was quiet at the start."
    return f"Warning: the load average is {load:.1f} before the start; the figures are noisy."
