"""The report: figures with spread and goal, in tables; docs/performance.md and its plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

import matplotlib
from matplotlib.figure import Figure

from bench.load import percentile
from dev.servers import ROOT


@dataclass(frozen=True)
class Goal:
    """What a figure's median has to be, and whether it is; without that it isn't judged."""

    text: str
    is_reached: Callable[[float], bool] | None


def at_least(bound: float) -> Goal:
    return Goal(f"at least {bound:g}", lambda value: value >= bound)


def at_most(bound: float) -> Goal:
    return Goal(f"at most {round(bound, 3):,g}", lambda value: value <= bound)


def under(bound: float, what: str = "under") -> Goal:
    return Goal(f"{what} {bound:g}", lambda value: value < bound)


GOALS: Mapping[str, Goal] = {
    "funcsvc / bare route": at_least(0.7),
    "funcsvc / engine": at_least(8),
    "funcsvc: 100,000 stored / none": at_least(0.9),
    "p99 / p50: funcsvc": under(5),
    "p99 / p50: funcsvc, 100,000 stored": under(5),
    "Redis bytes a func: its key and its share of the index": at_most(2048),
    "Redis bytes a func: used_memory over 100,000": at_most(2048),
    "inspect / bare GET of a key": at_least(0.7),
    "page of 100 from 100,000 / page of 100 from 100": at_least(0.9),
    "a signature's cost, ms (p50)": at_most(0.3),
    "rate: empty queue / bare route": at_least(0.5),
    "rate: 100,000 pending / empty queue": at_least(0.9),
    "p50: call, none waiting / docker run": at_most(1.1),
    "p50, ms: call, one waiting": at_most(10),
    "p99, ms: call, one waiting": at_most(30),
    "p50: call, one waiting / docker run": at_most(1 / 25),
    "p50: call, one waiting / docker exec": at_most(1),
    "p50, ms: call, one waiting, 1 MB of any bytes": at_most(30),
    "p50, ms: call, one waiting, 1 MB of text": at_most(30),
    "p99 of a burst of 10 / p50 of docker run": at_most(1 / 3),
    "calls, none waiting / docker-py": at_least(0.9),
    "calls, instances waiting / docker-py": at_least(0.95),
    "calls, instances waiting / calls, none waiting": at_least(1),
    "containers left": Goal("0", lambda value: value == 0),
}
"""By figure. Those of processes are with their rows: their figures say how much was done."""


@dataclass(frozen=True)
class Row:
    """A line of a table: a figure of each round, how many decimals it has, its goal."""

    figure: str
    values: Sequence[float]
    decimals: int = 0
    own_goal: Goal | None = None

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the line's texts."""
        middle = median(self.values)
        low, text, high = (
            f"{value:,.{self.decimals}f}" for value in (min(self.values), middle, max(self.values))
        )
        spread = f"{low} to {high}" if len(self.values) > 1 else ""
        goal = self.own_goal or GOALS.get(self.figure)
        if goal is None:
            return self.figure, text, spread, "", ""
        if goal.is_reached is None:
            return self.figure, text, spread, goal.text, "not judged"
        return self.figure, text, spread, goal.text, "yes" if goal.is_reached(middle) else "**no**"


@dataclass(frozen=True)
class Section:
    """One part of the page. `how` says what was measured; the latencies in `curves` are plotted."""

    title: str
    how: str
    rows: Sequence[Row]
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def text(self) -> str:
        """Return the section as Markdown."""
        lines = [("figure", "median", "min to max", "goal", "reached")]
        lines += [row.cells() for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
            for line in lines
        ]
        table.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
        return f"## {self.title}\n\n{self.how}\n\n" + "\n".join(table)


def ratio_rows(
    by_name: Mapping[str, Sequence[float]], prefix: str = "", decimals: int = 2
) -> Iterator[Row]:
    """Yield the ratio of each two contenders that there is a goal for, round by round."""
    for figure in GOALS:
        above, _, below = figure.removeprefix(prefix).partition(" / ")
        if figure.startswith(prefix) and above in by_name and below in by_name:
            pairs = zip(by_name[above], by_name[below], strict=True)
            yield Row(figure, [upper / lower for upper, lower in pairs], decimals)


def latency_rows(latencies: Mapping[str, Sequence[float]]) -> Iterator[Row]:
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
_PLOT_LINK = "![Latency distributions](performance.svg)\n\n"
_TEXT = """\
# Performance

Made by `make bench ARGS="{arguments}"`, which measures again and writes this page.

{machine}.

Figures of one machine mean little on another, and change with what else is at work there: the
ratios are what counts, since every peer is measured in the same run, in turns. A goal that isn't
reached is said here, and fails nothing. "min to max" is over rounds, or over fifths of the calls.

"""


def write_page(sections: Sequence[Section], machine: str, arguments: str) -> None:
    """Write the page and, where there are latencies, the plot."""
    text = _TEXT.format(arguments=arguments, machine=machine)
    curves = {name: taken for section in sections for name, taken in section.curves.items()}
    if curves:
        text += _PLOT_LINK
        draw(curves, _PLOT)
    _PAGE.write_text(text + "\n\n".join(section.text() for section in sections) + "\n")


def draw(curves: Mapping[str, Sequence[float]], file: Path) -> None:
    """Draw latency distributions side by side, as SVG; the same curves give the same file."""
    matplotlib.rc("svg", hashsalt="funcsvc")
    matplotlib.rc("axes", grid=True)
    matplotlib.rc("grid", color="#dddddd")
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
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(names or [platform.machine()])[0]}, Linux {platform.release()}"


def versions() -> str:
    """Say how many cores there are, and what the service is made of."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("Flask", "gunicorn", "redis"))
    return f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}, {packages}"


def load_line() -> str:
    """Say whether the machine is quiet: below a quarter of a core's load for each core."""
    load = os.getloadavg()[0]
    if load <= len(os.sched_getaffinity(0)) / 4:
        return "The machine was quiet at the start."
    return f"Warning: the load average is {load:.1f} before the start; the figures are noisy."
