"""Charts that set scenarios side by side, as inline SVG: travel against moves, and loads by rep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from territory_engine.wording import number, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH = 760
_LABEL_STEP = 15
_LETTER = 7.6  # the width of a bold letter, more or less


@dataclass(frozen=True)
class TradeOff:
    """One scenario in the plane of what it costs and what it moves.

    Attributes
    ----------
    name : str
    travel : float
        Change against the base, a fraction.
    moves : float
        Accounts that change hands.
    balance : float
        Largest deviation from a share, a fraction; NaN where there are no shares.
    """

    name: str
    travel: float
    moves: float
    balance: float


def trade_off_chart(points: Sequence[TradeOff], *, title: str, moves_label: str) -> Markup:
    """Draw travel against moves, a disc for each scenario: the larger, the further off its share is its worst territory.

    Parameters
    ----------
    points : sequence of TradeOff
    title : str
        Read out by screen readers.
    moves_label : str
        What the upright axis counts.
    """
    height, left, right, top, bottom = 330, 66, 150, 26, 46
    xs = np.array([p.travel for p in points] + [0.0])
    ys = np.array([p.moves for p in points])
    low, high = float(xs.min()), float(xs.max())
    pad = 0.08 * (high - low) or 0.01
    low, high = low - pad, high + pad
    most = float(ys.max()) * 1.1 or 1.0
    known = [p.balance for p in points if math.isfinite(p.balance)]
    largest = max(known, default=0.0) or 1.0

    def x(value: float) -> float:
        return left + (_WIDTH - left - right) * (value - low) / (high - low)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - (value + 0.06 * most) / (1.06 * most))

    parts = []
    for mark in _marks(low, high):
        parts.append(f'<line class="grid" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top}" y2="{height - bottom}"/>')
        text = percent(mark, signed=True) if abs(mark) > 1e-12 else "as the base"
        parts.append(
            f'<text class="value" x="{x(mark):.1f}" y="{height - bottom + 17}" text-anchor="middle">{escape(text)}</text>'
        )
    for mark in _marks(0.0, most):
        parts.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>')
        parts.append(
            f'<text class="value" x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{escape(number(mark))}</text>'
        )
    parts.append(f'<text x="{(left + _WIDTH - right) / 2:.1f}" y="{height - 8}" text-anchor="middle">travel</text>')
    parts.append(f'<text x="{left - 44}" y="14">{escape(moves_label)}</text>')
    discs = []
    for p in points:
        radius = 5 + 9 * math.sqrt(p.balance / largest) if math.isfinite(p.balance) else 7
        discs.append((x(p.travel), y(p.moves), radius))
    labels = [p.name if len(p.name) <= 22 else p.name[:21] + "…" for p in points]
    for p, (cx, cy, radius) in zip(points, discs, strict=True):
        told = f"{p.name}: travel {percent(p.travel, signed=True)}, {number(p.moves)} accounts move"
        if math.isfinite(p.balance):
            told += f", at most {percent(p.balance)} off its share"
        parts.append(
            f'<circle class="point" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}"><title>{escape(told)}</title></circle>'
        )
    for label, (at, base, anchor) in zip(labels, _label_places(labels, discs), strict=True):
        parts.append(f'<text class="name" x="{at:.1f}" y="{base:.1f}" text-anchor="{anchor}">{escape(label)}</text>')
    return _svg("".join(parts), height, title)


def _label_places(labels: Sequence[str], discs: Sequence[tuple[float, float, float]]) -> list[tuple[float, float, str]]:
    """Return x, baseline and anchor of every label: beside its disc, above or below, where it covers no disc and no label."""
    taken = [(cx - r, cy - r, cx + r, cy + r) for cx, cy, r in discs]
    places = []
    for k, (label, (cx, cy, r)) in enumerate(zip(labels, discs, strict=True)):
        width = _LETTER * len(label)
        choices = []
        for lower in (0.0, _LABEL_STEP, -_LABEL_STEP, 2 * _LABEL_STEP, -2 * _LABEL_STEP):
            choices.append((cx + r + 5, cy + 4 + lower, "start", cx + r + 5))
            choices.append((cx - r - 5, cy + 4 + lower, "end", cx - r - 5 - width))
        boxes = [(left, base - 11, left + width, base + 3) for _, base, _, left in choices]
        others = [box for j, box in enumerate(taken) if j != k]
        free = next((i for i, box in enumerate(boxes) if box[0] > 0 and not any(_overlap(box, o) for o in others)), 0)
        taken.append(boxes[free])
        places.append(choices[free][:3])
    return places


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@dataclass(frozen=True)
class Strip:
    """How loaded the territories of one scenario are.

    Attributes
    ----------
    name : str
    deviations : sequence of float
        Load over share less one, a territory each.
    labels : sequence of str
        Their names.
    """

    name: str
    deviations: Sequence[float]
    labels: Sequence[str]


def strip_chart(strips: Sequence[Strip], limits: tuple[float, float], *, title: str) -> Markup:
    """Draw every territory's deviation from its share, a row of dots for each scenario.

    Parameters
    ----------
    strips : sequence of Strip
    limits : tuple of float
        What is allowed, drawn as a band; infinite where there is no limit.
    title : str
        Read out by screen readers.
    """
    row, left, top, bottom = 46, 150, 8, 30
    height = top + row * len(strips) + bottom
    every = [d for s in strips for d in s.deviations if math.isfinite(d)]
    ends = [*every, *(v for v in limits if math.isfinite(v)), 0.0]
    low, high = min(ends), max(ends)
    pad = 0.05 * (high - low) or 0.05
    low, high = low - pad, high + pad

    def x(value: float) -> float:
        return left + (_WIDTH - left - 16) * (value - low) / (high - low)

    first, last = (max(limits[0], low), min(limits[1], high))
    parts = []
    if math.isfinite(limits[0]) or math.isfinite(limits[1]):
        parts.append(
            f'<rect class="room" x="{x(first):.1f}" y="{top}" width="{max(0.0, x(last) - x(first)):.1f}" height="{row * len(strips)}"/>'
        )
    for mark in _marks(low, high):
        parts.append(
            f'<line class="grid" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top}" y2="{top + row * len(strips)}"/>'
        )
        text = percent(mark, signed=True) if abs(mark) > 1e-12 else "its share"
        parts.append(
            f'<text class="value" x="{x(mark):.1f}" y="{height - 10}" text-anchor="middle">{escape(text)}</text>'
        )
    for place, strip in enumerate(strips):
        middle = top + row * (place + 0.5)
        name = strip.name if len(strip.name) <= 19 else strip.name[:18] + "…"
        parts.append(f'<text x="{left - 12}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<line class="axis" x1="{left}" x2="{_WIDTH - 16}" y1="{middle:.1f}" y2="{middle:.1f}"/>')
        for offset, deviation, label in zip(
            _spread(np.array([x(d) for d in strip.deviations])), strip.deviations, strip.labels, strict=True
        ):
            if math.isfinite(deviation):
                told = escape(f"{label}: {percent(deviation, signed=True)}")
                parts.append(
                    f'<circle class="dot" cx="{x(deviation):.1f}" cy="{middle + offset:.1f}" r="3"><title>{told}</title></circle>'
                )
    return _svg("".join(parts), height, title)


def _spread(places: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    """Return how far each dot of a row stands off its middle, so that dots at one place do not hide each other."""
    offsets = [0.0] * len(places)
    lanes = [0.0, -6.0, 6.0, -12.0, 12.0, -18.0, 18.0]
    ends = [-math.inf] * len(lanes)
    for i in np.argsort(places, kind="stable").tolist():
        if not math.isfinite(places[i]):
            continue
        lane = next((k for k, end in enumerate(ends) if places[i] - end >= 6.5), int(np.argmin(ends)))
        ends[lane] = places[i]
        offsets[i] = lanes[lane]
    return offsets


def bars_chart(
    names: Sequence[str], values: Sequence[float], show: Callable[[float], str], best: Sequence[bool], *, title: str
) -> Markup:
    """Draw one figure of every scenario as bars, the best of them in the colour of the best; NaN is no bar."""
    row, left, value_width, width = 26, 118, 74, 372
    reach = max((v for v in values if math.isfinite(v)), default=0.0) or 1.0
    parts = []
    for i, (name, value, first) in enumerate(zip(names, values, best, strict=True)):
        y = i * row + 4
        label = name if len(name) <= 16 else name[:15] + "…"
        parts.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        if not math.isfinite(value):
            parts.append(f'<text class="value" x="{left}" y="{y + 13}">–</text>')
            continue
        length = (width - left - value_width) * value / reach
        parts.append(
            f'<rect class="bar{" best" if first else ""}" x="{left}" y="{y + 2}" width="{max(length, 1.0):.1f}" height="15" rx="2"/>'
        )
        parts.append(f'<text class="value" x="{left + length + 6:.1f}" y="{y + 13}">{escape(show(value))}</text>')
    return _svg("".join(parts), len(names) * row + 6, title, width=width)


def _marks(low: float, high: float) -> list[float]:
    """Return some four to eight round places on an axis."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    return [step * k for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _svg(content: str, height: float, title: str, *, width: int = _WIDTH) -> Markup:
    text = escape(title)
    return Markup(  # labels are escaped where they are put in; the rest is numbers
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text}" xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )
