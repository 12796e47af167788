"""What a part of the benchmark reports: rows of a table, and the latencies behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.report import Row, markdown
from bench.runs import interleave, percentile

Latencies = Mapping[str, Sequence[float]]
"""Milliseconds by contender, in the order in which they were taken."""

_BLOCKS = 5
"""In how many parts, one after another, latencies are looked at for their spread."""


@dataclass(frozen=True)
class Section:
    """One part of the page. `how` says what was measured; `curves` are plotted."""

    title: str
    how: str
    rows: Sequence[Row]
    curves: Latencies = field(default_factory=dict)

    def text(self) -> str:
        """Return the section as Markdown."""
        return f"## {self.title}\n\n{self.how}\n\n{markdown(self.rows)}"


def take_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> Latencies:
    """Let every contender have its turn in each round; each returns its milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for name in interleave(list(contenders), rounds):
        taken[name].append(contenders[name]())
    return taken


def p50(milliseconds: Sequence[float]) -> float:
    return percentile(sorted(milliseconds), 50)


def p99(milliseconds: Sequence[float]) -> float:
    return percentile(sorted(milliseconds), 99)


def latency_rows(
    latencies: Latencies, most: Mapping[str, tuple[float, float | None]] | None = None
) -> Iterator[Row]:
    """Yield p50 and p99 of each contender: the p50 with its spread, the p99 of them all.

    `most` has the goals of those that have some, for p50 and p99, in milliseconds.
    """
    for name, taken in latencies.items():
        middles = [p50(block) for block in blocks(taken)]
        most_p50, most_p99 = (most or {}).get(name, (None, None))
        yield _most_row(f"p50, ms: {name}", middles, most_p50)
        yield _most_row(f"p99, ms: {name}", [p99(taken)], most_p99)


def ratio_row(latencies: Latencies, above: str, below: str, most: float) -> Row:
    """Return the row of how many times another's p50 one's p50 is, with the goal."""
    pairs = zip(blocks(latencies[above]), blocks(latencies[below]), strict=True)
    values = [p50(upper) / p50(lower) for upper, lower in pairs]
    goal, reached = f"at most {most:.3g}", median(values) <= most
    return Row(f"p50: {above} / {below}", values, "{:.3f}", goal, reached)


def most_row(figure: str, value: float, most: float, form: str = "{:.1f}") -> Row:
    """Return the row of one figure that has to stay at or below a goal."""
    return _most_row(figure, [value], most, form)


def _most_row(
    figure: str, values: Sequence[float], most: float | None, form: str = "{:.1f}"
) -> Row:
    if most is None:
        return Row(figure, values, form)
    return Row(figure, values, form, f"at most {most:.3g}", median(values) <= most)


def blocks(taken: Sequence[float]) -> list[Sequence[float]]:
    """Return latencies in parts of the same size but one, each of what was taken together."""
    size = -(-len(taken) // _BLOCKS)
    return [taken[start : start + size] for start in range(0, len(taken), size)]
