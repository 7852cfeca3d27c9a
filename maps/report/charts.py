"""Charts of loads and travel as inline SVG: they print sharply and need no script."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from territory_engine.wording import number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 760
_ROW = 22
_WIDEST_LABEL = 170
_VALUE = 160
# Beyond this many territories a bar with a name each is a list, not a chart: they are ranked as dots instead.
MOST_BARS = 40


@dataclass(frozen=True)
class Bar:
    """One territory's load with its marks; NaN or infinite marks are left out.

    Attributes
    ----------
    label : str
    value : float
    target, lower, upper, before : float
        In the unit of ``value``; ``before`` is today's load.
    """

    label: str
    value: float
    target: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    before: float = math.nan

    @property
    def broken(self) -> bool:
        """Whether the load is outside its limits."""
        slack = 1e-9 * (1 + abs(self.value))
        return self.value > self.upper + slack or self.value < self.lower - slack


def load_chart(bars: Sequence[Bar], *, title: str) -> Markup:
    """Draw loads against their limits: a bar per territory, or ranked dots where there are more than fit.

    Parameters
    ----------
    bars : sequence of Bar
    title : str
        Read out by screen readers.
    """
    if len(bars) > MOST_BARS:
        return _ranked(bars, title)
    reach = (
        max((v for b in bars for v in (b.value, b.target, b.upper, b.before) if math.isfinite(v)), default=0.0) or 1.0
    )
    left = min(_WIDEST_LABEL, 14 + 7.5 * max((len(b.label) for b in bars), default=0))
    scale = (_WIDTH - left - _VALUE) / reach
    parts: list[str] = []
    for i, bar in enumerate(bars):
        y = i * _ROW + 4
        middle = y + 7
        label = bar.label if len(bar.label) <= 22 else bar.label[:21] + "…"
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 11}" text-anchor="end">{escape(label)}</text>')
        if math.isfinite(bar.lower) or math.isfinite(bar.upper):
            low = max(bar.lower, 0.0) if math.isfinite(bar.lower) else 0.0
            high = bar.upper if math.isfinite(bar.upper) else reach
            parts.append(
                f'<rect class="room" x="{left + low * scale:.1f}" y="{y - 2}" width="{max(0.0, high - low) * scale:.1f}" height="18"/>'
            )
        kind = "bar broken" if bar.broken else "bar"
        parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{y + 2}" width="{max(0.0, bar.value) * scale:.1f}" height="10"/>'
        )
        parts += [
            f'<line class="{name}" x1="{left + v * scale:.1f}" x2="{left + v * scale:.1f}" y1="{y - 2}" y2="{y + 16}"/>'
            for name, v in (("limit", bar.lower), ("limit", bar.upper), ("target", bar.target))
            if math.isfinite(v) and v >= 0
        ]
        if math.isfinite(bar.before):
            parts.append(f'<circle class="before" cx="{left + bar.before * scale:.1f}" cy="{middle}" r="4"/>')
        off = f" ({percent(bar.value / bar.target - 1, signed=True)})" if bar.target > 0 else ""
        parts.append(
            f'<text x="{_WIDTH}" y="{y + 11}" text-anchor="end" class="value">{escape(number(bar.value) + off)}</text>'
        )
    return _svg("".join(parts), len(bars) * _ROW + 6, title)


def travel_chart(bars: Sequence[Bar], *, title: str) -> Markup:
    """Draw travel per territory, the most travelled first; the forty first where there are more."""
    ranked = sorted(bars, key=lambda b: -b.value)[:MOST_BARS]
    return load_chart(ranked, title=title)


def _ranked(bars: Sequence[Bar], title: str) -> Markup:
    """Draw loads as a share of their target, lowest to highest, with the limits as bands."""
    shares = sorted((b for b in bars if b.target > 0), key=lambda b: (b.value / b.target, b.label))
    if not shares:
        return travel_chart([Bar(b.label, b.value) for b in bars], title=title)
    height, left, top_edge, bottom = 230, 72, 10, 24
    ratios = [(b.value / b.target, b.lower / b.target, b.upper / b.target) for b in shares]
    known = [v for triple in ratios for v in triple if math.isfinite(v)] + [1.0]
    low, high = min(known), max(known)
    pad = 0.06 * (high - low) or 0.05
    low, high = low - pad, high + pad

    def y(v: float) -> float:
        return top_edge + (height - top_edge - bottom) * (1 - (v - low) / (high - low))

    def x(i: int) -> float:
        return left + (_WIDTH - left - 8) * (i + 0.5) / len(shares)

    step = (_WIDTH - left - 8) / len(shares)
    parts = []
    for i, (value, lower, upper) in enumerate(ratios):
        top = upper if math.isfinite(upper) else high
        floor = lower if math.isfinite(lower) else low
        parts.append(
            f'<rect class="room" x="{x(i) - step / 2:.2f}" y="{y(top):.1f}" width="{step + 0.05:.2f}" height="{max(0.0, y(floor) - y(top)):.1f}"/>'
        )
        kind = "dot broken" if shares[i].broken else "dot"
        name = escape(f"{shares[i].label}: {number(shares[i].value)} ({percent(value - 1, signed=True)})")
        parts.append(
            f'<circle class="{kind}" cx="{x(i):.1f}" cy="{y(value):.1f}" r="2.4"><title>{name}</title></circle>'
        )
    parts.append(f'<line class="target" x1="{left}" x2="{_WIDTH - 8}" y1="{y(1.0):.1f}" y2="{y(1.0):.1f}"/>')
    parts += [
        f'<text x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end" class="value">{escape(percent(v - 1, signed=True))}</text>'
        for v in _marks(low, high)
    ]
    parts.append(
        f'<text x="{left}" y="{height - 4}">{len(shares):,} territories, from the least to the most loaded for their share</text>'
    )
    return _svg("".join(parts), height, title)


def _marks(low: float, high: float) -> list[float]:
    """Three to six round places on an axis of ratios."""
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next((s for s in (step, step / 2, step / 4) if (high - low) / s >= 3), step / 4)
    return [1 + k * step for k in range(math.ceil((low - 1) / step), math.floor((high - 1) / step) + 1)]


def _svg(content: str, height: float, title: str) -> Markup:
    text = escape(title)
    return Markup(  # labels are escaped where they are put in; the rest is numbers
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{text}" xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )
