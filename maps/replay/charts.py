"""Charts of a replay, as inline SVG: each rep's leads under two policies, and how uneven things were over time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from territory_engine.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_WIDTH = 860
_ROW = 24
_LETTERS = 22


@dataclass(frozen=True)
class RepLine:
    """One rep's leads.

    Attributes
    ----------
    label : str
    old, new : int
    fair : float
        Of the new policy; NaN where the rep never was there.
    """

    label: str
    old: int
    new: int
    fair: float


def dumbbells(lines: Sequence[RepLine], names: tuple[str, str], *, title: str) -> Markup:
    """Draw each rep's leads under the old policy (hollow) and the new one (full), with a tick at its fair share.

    Parameters
    ----------
    lines : sequence of RepLine
    names : tuple of str
        Of the old and the new policy.
    title : str
        Read out by screen readers.
    """
    left, right, top = 190, 60, 30
    known = [line.fair for line in lines if math.isfinite(line.fair)]
    most = max([1.0, *known, *(float(max(line.old, line.new)) for line in lines)])

    def x(value: float) -> float:
        return left + (_WIDTH - left - right) * value / most

    height = top + _ROW * len(lines) + 10
    parts = []
    for mark in _marks(most):
        parts.append(f'<line class="grid" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top - 6}" y2="{height - 8}"/>')
        parts.append(f'<text class="value" x="{x(mark):.1f}" y="{top - 12}" text-anchor="middle">{number(mark)}</text>')
    for k, line in enumerate(lines):
        y = top + _ROW * (k + 0.5)
        label = line.label if len(line.label) <= _LETTERS else line.label[: _LETTERS - 1].rstrip() + "…"
        fair = f", fair share {number(line.fair)}" if math.isfinite(line.fair) else ""
        told = f"{line.label}: {line.old:,} under {names[0]}, {line.new:,} under {names[1]}{fair}"
        change = line.new - line.old
        parts.append(
            f'<g><title>{escape(told)}</title><text x="{left - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
        parts.append(f'<line class="span" x1="{x(line.old):.1f}" x2="{x(line.new):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if math.isfinite(line.fair):
            at = x(line.fair)
            parts.append(f'<line class="fair" x1="{at:.1f}" x2="{at:.1f}" y1="{y - 8:.1f}" y2="{y + 8:.1f}"/>')
        parts.append(f'<circle class="old" cx="{x(line.old):.1f}" cy="{y:.1f}" r="5"/>')
        parts.append(f'<circle class="new" cx="{x(line.new):.1f}" cy="{y:.1f}" r="5.5"/>')
        if change:
            sign = f"{change:+,}".replace("-", "−")
            parts.append(f'<text class="value" x="{_WIDTH - 8}" y="{y + 4:.1f}" text-anchor="end">{sign}</text>')
        parts.append("</g>")
    return _svg("".join(parts), height, title)


def spread_over_time(old: pd.DataFrame, new: pd.DataFrame, names: tuple[str, str], *, title: str) -> Markup:
    """Draw the highest minus the lowest level after every batch, as steps, for both policies.

    Parameters
    ----------
    old, new : DataFrame
        Columns ``at`` and ``level_spread``, at least one row each.
    names : tuple of str
    title : str
    """
    left, right, top, bottom, height = 60, 30, 24, 30, 230
    times = [
        table["at"].dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64) for table in (old, new)
    ]
    first, last = min(int(t[0]) for t in times), max(int(t[-1]) for t in times)
    span = max(1, last - first)
    most = max(1.0, float(old["level_spread"].max()), float(new["level_spread"].max()))

    def x(moment: int) -> float:
        return left + (_WIDTH - left - right) * (moment - first) / span

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / most)

    parts = []
    for mark in _marks(most):
        parts.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>')
        parts.append(
            f'<text class="value" x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{number(mark)}</text>'
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        moment = int(first + share * span)
        day = str(np.datetime64(moment, "s").astype("datetime64[D]"))
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        parts.append(f'<text class="value" x="{x(moment):.1f}" y="{height - 8}" text-anchor="{anchor}">{day}</text>')
    for side, table, moments, name in (("old", old, times[0], names[0]), ("new", new, times[1], names[1])):
        values = table["level_spread"].to_numpy(np.float64)
        points = [f"{x(int(moments[0])):.1f},{y(float(values[0])):.1f}"]
        for k in range(1, len(values)):
            points.append(f"{x(int(moments[k])):.1f},{y(float(values[k - 1])):.1f}")
            points.append(f"{x(int(moments[k])):.1f},{y(float(values[k])):.1f}")
        points.append(f"{x(last):.1f},{y(float(values[-1])):.1f}")
        parts.append(f'<polyline class="{side}" points="{" ".join(points)}"><title>{escape(name)}</title></polyline>')
    return _svg("".join(parts), height, title)


def _marks(most: float) -> list[float]:
    """Return round numbers from 0 up to the most, some five of them."""
    raw = most / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((size * power for size in (1, 2, 5, 10) if size * power >= raw), raw)
    if most >= 5:
        step = max(1.0, step)
    return [step * k for k in range(int(most / step + 1e-9) + 1)]


def _svg(content: str, height: float, title: str) -> Markup:
    return Markup(  # what is not a number in it was escaped where it was put in
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}"'
        f' xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )
