"""Curves and distributions as inline SVG: the Lorenz curve, a histogram of drives, and strips of each rep's drives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from territory_engine.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SIDE = 190
_WIDTH = 760
_MOST_CURVE_POINTS = 120
_ROW = 21
_BINS = 24


def lorenz_chart(
    plan: NDArray[np.float64], today: NDArray[np.float64] | None, *, title: str, axes: tuple[str, str]
) -> Markup:
    """Draw a Lorenz curve with the line of equality, and today's where it is known.

    Parameters
    ----------
    plan, today : ndarray, shape (m + 1, 2)
        As :func:`scenarios.fairness.lorenz_curve` returns them.
    title : str
        Read out by screen readers.
    axes : tuple of str
        What the axes across and up are fractions of.
    """
    left, bottom, top, right = 42, 34, 8, 4

    def line(curve: NDArray[np.float64]) -> str:
        kept = curve[np.unique(np.linspace(0, len(curve) - 1, min(len(curve), _MOST_CURVE_POINTS)).astype(int))]
        return " ".join(f"{left + _SIDE * x:.1f},{top + _SIDE * (1 - y):.1f}" for x, y in kept.tolist())

    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{_SIDE}" height="{_SIDE}"/>']
    for fraction in (0.0, 0.5, 1.0):
        at = _SIDE * fraction
        said = f"{100 * fraction:.0f} %"
        if 0 < fraction < 1:
            parts.append(
                f'<path class="grid" d="M{left + at:.1f},{top}v{_SIDE}M{left},{top + _SIDE - at:.1f}h{_SIDE}"/>'
            )
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[fraction]
        parts.append(
            f'<text class="value" x="{left + at:.1f}" y="{top + _SIDE + 14}" text-anchor="{anchor}">{said}</text>'
        )
        if fraction:
            y = top + _SIDE - at + (9 if fraction == 1 else 4)
            parts.append(f'<text class="value" x="{left - 4}" y="{y:.1f}" text-anchor="end">{said}</text>')
    parts.append(f'<polygon class="between" points="{line(plan)}"/>')
    parts.append(f'<line class="equal" x1="{left}" y1="{top + _SIDE}" x2="{left + _SIDE}" y2="{top}"/>')
    if today is not None:
        parts.append(f'<polyline class="curve today" points="{line(today)}"/>')
    parts.append(f'<polyline class="curve" points="{line(plan)}"/>')
    parts.append(
        f'<text class="value" x="{left + _SIDE / 2}" y="{top + _SIDE + 29}" text-anchor="middle">{escape(axes[0])}</text>'
    )
    parts.append(f'<text class="value" x="{left + 7}" y="{top + 16}">{escape(axes[1])}</text>')
    return _svg("".join(parts), left + _SIDE + right, top + _SIDE + bottom, title, "lorenz")


def histogram(values: NDArray[np.float64], today: NDArray[np.float64] | None, *, unit: str, title: str) -> Markup:
    """Draw how many accounts are how far away: bars for the plan and, as a line, today's where it is known.

    Parameters
    ----------
    values, today : ndarray of float64
        Finite, 0 or more; `values` is not empty.
    unit : str
    title : str
    """
    left, top, height, bottom = 44, 10, 120, 34
    reach = float(max(values.max(), today.max() if today is not None and len(today) else 0.0)) or 1.0
    width = _round_step(reach / _BINS)
    n_bins = max(1, math.ceil(reach / width - 1e-9))
    edges = np.arange(n_bins + 1) * width
    edges[-1] = max(edges[-1], reach)
    counts = np.histogram(values, edges)[0]
    before = None if today is None or not len(today) else np.histogram(today, edges)[0]
    most = max(int(counts.max()), 0 if before is None else int(before.max()), 1)
    step = (_WIDTH - left - 10) / n_bins

    def y(count: float) -> float:
        return top + height * (1 - count / most)

    parts = []
    for k, count in enumerate(counts.tolist()):
        said = f"{number(float(edges[k]))} to {number(float(edges[k + 1]))} {unit}: {count:,}"
        parts.append(
            f'<rect class="bar" x="{left + k * step + 0.5:.1f}" y="{y(count):.1f}" width="{step - 1:.1f}"'
            f' height="{top + height - y(count):.1f}"><title>{escape(said)}</title></rect>'
        )
    if before is not None:
        path = (
            f"M{left},{top + height}" + "".join(f"V{y(c):.1f}h{step:.2f}" for c in before.tolist()) + f"V{top + height}"
        )
        parts.append(f'<path class="steps" d="{path}"/>')
    parts.append(f'<path class="axis" d="M{left},{top + height}H{_WIDTH - 10}"/>')
    every = max(1, round(n_bins / 8))
    parts += [
        f'<text class="value" x="{left + k * step:.1f}" y="{top + height + 15}" text-anchor="middle">{escape(number(float(edges[k])))}</text>'
        for k in range(0, n_bins + 1, every)
        if left + k * step < _WIDTH - 16
    ]
    parts.append(f'<text class="value" x="{left + 6}" y="{top + height + 30}">{escape(unit)} to the account</text>')
    parts.append(f'<text class="value" x="{left - 6}" y="{top + 9}" text-anchor="end">{most:,}</text>')
    parts.append(f'<text class="value" x="{left - 6}" y="{top + height}" text-anchor="end">0</text>')
    return _svg("".join(parts), _WIDTH, top + height + bottom, title, "histogram")


@dataclass(frozen=True)
class Strip:
    """How far one rep's accounts are: quantiles of the travel, and the total.

    Attributes
    ----------
    label : str
    quantiles : tuple of float
        Nearest, first quarter, median, third quarter, farthest.
    figures : tuple of str
        What stands in the columns at the right.
    """

    label: str
    quantiles: tuple[float, float, float, float, float]
    figures: tuple[str, ...]


def strips(rows: Sequence[Strip], heads: Sequence[str], *, title: str) -> Markup:
    """Draw a line from the nearest to the farthest account per rep, the middle half of the accounts as a box.

    Parameters
    ----------
    rows : sequence of Strip
    heads : sequence of str
        Headings of the figures' columns.
    title : str
    """
    columns = [86 * (len(heads) - 1 - k) for k in range(len(heads))]
    left = min(150.0, 14 + 7.2 * max((len(r.label) for r in rows), default=0))
    right = _WIDTH - 86 * len(heads) - 6
    reach = max((r.quantiles[-1] for r in rows), default=0.0) or 1.0
    scale = (right - left) / reach
    parts = [
        f'<text class="value" x="{_WIDTH - c}" y="12" text-anchor="end">{escape(h)}</text>'
        for h, c in zip(heads, columns, strict=True)
    ]
    for i, row in enumerate(rows):
        y = 20 + i * _ROW + 9
        low, first, middle, third, high = (left + scale * q for q in row.quantiles)
        label = row.label if len(row.label) <= 19 else row.label[:18] + "…"
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<path class="reach" d="M{low:.1f},{y}H{high:.1f}"/>')
        parts.append(
            f'<rect class="bar" x="{first:.1f}" y="{y - 5}" width="{max(1.0, third - first):.1f}" height="10"/>'
        )
        parts.append(f'<path class="median" d="M{middle:.1f},{y - 6}v12"/>')
        parts += [
            f'<text class="value" x="{_WIDTH - c}" y="{y + 4}" text-anchor="end">{escape(f)}</text>'
            for f, c in zip(row.figures, columns, strict=True)
        ]
    return _svg("".join(parts), _WIDTH, 20 + len(rows) * _ROW + 4, title, "strips")


def _round_step(least: float) -> float:
    """Return the next of 1, 2, 2.5, 5, 10 … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= least * (1 - 1e-9))


def _svg(content: str, width: float, height: float, title: str, kind: str) -> Markup:
    return Markup(  # labels are escaped where they are put in; the rest is numbers
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}"'
        f' xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )
