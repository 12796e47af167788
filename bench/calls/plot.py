"""Latency distributions side by side, as SVG: which share of the calls took at most how long."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from bench.calls.section import Latencies

_WIDTH, _HEIGHT = 980, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 360, 36, 52
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Those of Okabe and Ito, which the colour-blind can tell apart."""

_MAX_POINTS = 300
_TITLE = "Share of calls that took at most so long"


def plot(curves: Latencies) -> str:
    """Return the SVG; the time axis is logarithmic."""
    every = [ms for taken in curves.values() for ms in taken]
    axis = _LogAxis(min(every), max(every))
    lines = [*_frame(axis)]
    for number, (name, taken) in enumerate(curves.items()):
        lines += _curve(axis, number, name, sorted(taken))
    return "\n".join((*_head(), *lines, "</svg>")) + "\n"


class _LogAxis:
    """Milliseconds to pixels, from a tick below the least to one above the most."""

    def __init__(self, least: float, most: float) -> None:
        ticks = [
            number * 10**power
            for power in range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
            for number in (1, 2, 5)
        ]
        first = max(tick for tick in ticks if tick <= least)
        last = min(tick for tick in ticks if tick >= most)
        self.ticks = [tick for tick in ticks if first <= tick <= last]
        self._low, self._high = math.log10(first), math.log10(last)

    def x(self, milliseconds: float) -> float:
        """Return where a time stands."""
        span = self._high - self._low or 1
        return _LEFT + (math.log10(milliseconds) - self._low) / span * _PLOT_WIDTH


def _y(share: float) -> float:
    return _TOP + (1 - share) * _PLOT_HEIGHT


def _head() -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="12">'
    )
    yield f"<title>{_TITLE}</title>"
    yield f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
    yield f'<text x="{_LEFT}" y="20" font-size="14">{_TITLE}</text>'


def _frame(axis: _LogAxis) -> Iterator[str]:
    right, bottom = _LEFT + _PLOT_WIDTH, _TOP + _PLOT_HEIGHT
    for tick in axis.ticks:
        x = axis.x(tick)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
    for percent in (0, 25, 50, 75, 99):
        y = _y(percent / 100)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>'
    middle = _LEFT + _PLOT_WIDTH / 2
    yield f'<text x="{middle:.1f}" y="{bottom + 40}" text-anchor="middle">milliseconds</text>'


def _curve(axis: _LogAxis, number: int, name: str, ordered: Sequence[float]) -> Iterator[str]:
    color, dashes = _COLORS[number % len(_COLORS)], "" if number < len(_COLORS) else "6 3"
    step = max(1, len(ordered) // _MAX_POINTS)
    places = [*range(0, len(ordered), step), len(ordered) - 1]
    corners = [f"M{axis.x(ordered[0]):.1f} {_y(0):.1f}"]
    corners += [f"H{axis.x(ordered[at]):.1f}V{_y((at + 1) / len(ordered)):.1f}" for at in places]
    style = f'fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dashes}"'
    yield f'<path d="{"".join(corners)}" {style}/>'
    x, y = _LEFT + _PLOT_WIDTH + 16, _TOP + 12 + 22 * number
    yield f'<path d="M{x} {y - 4}h22" {style}/>'
    middle = ordered[len(ordered) // 2]
    yield f'<text x="{x + 30}" y="{y}">{escape(name)}: {middle:.3g} ms</text>'
