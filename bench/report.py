"""The table: each figure with its spread, its goal, and whether that is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measure import BARE, CONTENDERS, EMPTY, ENGINE, ENOUGH_REQUESTS, FULL, Results
from bench.redis_data import FILL
from bench.runs import Run
from funcsvc.model import MEGABYTE

_HEAD = ("figure", "median", "min to max", "goal", "reached")


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure of each round, and how it is written."""

    figure: str
    values: Sequence[float]
    form: str = "{:,.0f}"
    goal: str = ""
    reached: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the line's texts."""
        low, high = (self.form.format(edge(self.values)) for edge in (min, max))
        spread = f"{low} to {high}" if len(self.values) > 1 else ""
        verdict = {True: "yes", False: "**no**", None: "not judged" if self.goal else ""}
        middle = self.form.format(median(self.values))
        return (self.figure, middle, spread, self.goal, verdict[self.reached])


def table(results: Results) -> str:
    """Return the Markdown table."""
    return markdown([row for part in (_rates, _ratios, _times, _memory) for row in part(results)])


def markdown(lines_of_table: Sequence[Row]) -> str:
    """Return rows as a Markdown table with a head."""
    rows = [_HEAD, *(row.cells() for row in lines_of_table)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _each(results: Results, name: str, figure: Callable[[Run], float]) -> list[float]:
    return [figure(run) for run in results.runs[name]]


def _rates(results: Results) -> Iterator[Row]:
    for name in CONTENDERS:
        yield Row(f"creates a second: {name}", _each(results, name, lambda run: run.rate))


def _ratios(results: Results) -> Iterator[Row]:
    for figure, above, below, least, form in (
        ("funcsvc / bare route", EMPTY, BARE, 0.7, "{:.2f}"),
        ("funcsvc / engine", EMPTY, ENGINE, 8, "{:.1f}"),
        (f"funcsvc: {FILL:,} stored / none", FULL, EMPTY, 0.9, "{:.2f}"),
    ):
        pairs = zip(results.runs[above], results.runs[below], strict=True)
        values = [upper.rate / lower.rate for upper, lower in pairs]
        yield Row(figure, values, form, f"at least {least:g}", median(values) >= least)


def _times(results: Results) -> Iterator[Row]:
    for name in CONTENDERS:
        yield Row(f"p50, ms: {name}", _each(results, name, lambda run: run.p50_ms), "{:.1f}")
        yield Row(f"p99, ms: {name}", _each(results, name, lambda run: run.p99_ms), "{:.1f}")
        tails = _each(results, name, lambda run: run.tail)
        if name in (EMPTY, FULL):
            yield Row(f"p99 / p50: {name}", tails, "{:.1f}", "under 5", median(tails) < 5)
        else:
            yield Row(f"p99 / p50: {name}", tails, "{:.1f}")


def _memory(results: Results) -> Iterator[Row]:
    for figure, value in (
        ("its key and its share of the index", results.redis.of_keys),
        (f"used_memory over {FILL:,}", results.redis.of_server),
    ):
        yield Row(
            f"Redis bytes a func: {figure}", [value], goal="at most 2,048", reached=value <= 2048
        )
    for number, worker in enumerate(results.resident_after, 1):
        yield from _resident(results, number, worker)


def _resident(results: Results, number: int, worker: int) -> Iterator[Row]:
    before, after = results.resident_before[worker], results.resident_after[worker]
    growth = (after / before - 1) * 100
    requests = results.requests_between
    flat = growth < 5 if requests >= ENOUGH_REQUESTS else None  # too few to show a growth
    name = f"web worker {number}"
    yield Row(f"{name}: resident MB, warmed up", [before / MEGABYTE], "{:.1f}")
    yield Row(
        f"{name}: resident MB, {requests:,} requests later",
        [after / MEGABYTE],
        "{:.1f}",
        "under 80",
        after < 80 * MEGABYTE,
    )
    yield Row(f"{name}: growth, %", [growth], "{:.1f}", "flat: under 5", flat)
