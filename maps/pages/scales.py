"""Scales for maps in steps of colour: breaks at readable numbers, each value in exactly one class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BELOW_AND_ABOVE = ("#2a6cb3", "#6ca3d6", "#bdd7ed", "#f5f4f0", "#fad2a3", "#ee9d52", "#cb6416")
"""Under a share in blues, over it in oranges, near it almost white: told apart without red and green."""
MORE = ("#e3eef8", "#c3dbf0", "#9bc2e4", "#6aa3d4", "#3e80bc", "#1f5e9c", "#0c3d70")
"""Light for little, dark for much, in one hue."""
NOTHING_KNOWN = "#c9ced4"
# How far a deviation may be from the share, as a part of the scale's end, and still be drawn as being on it; and so on.
_PARTS = (0.1, 0.4, 0.7, 1.0)
_MOST_CLASSES = 7
_FEWEST_CLASSES = 4
_CROWDED_FRACTION = 0.6
_SUFFIXES = ((1e9, " bn"), (1e6, " M"))


@dataclass(frozen=True)
class Scale:
    """Classes between breaks, from the lowest up.

    Attributes
    ----------
    edges : tuple of float
        One more than there are classes, ascending. A class holds its lower edge; the last one both.
    colours : tuple of str
        One per class, as ``#rrggbb``.
    """

    edges: tuple[float, ...]
    colours: tuple[str, ...]

    def classes(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the class of each value, shape ``(n,)``: the nearest one beyond either end, -1 where it is NaN."""
        inner = np.array(self.edges[1:-1])
        place = np.searchsorted(inner, values, side="right")
        return np.where(np.isfinite(values), place, -1).astype(np.intp)


@dataclass(frozen=True)
class BalancedScale(Scale):
    """Classes around zero, the same on both sides: each holds its edge that is farther from zero.

    A deviation of exactly an edge belongs to the class nearer to zero, on either side: what is allowed is not drawn as
    more than that.
    """

    def classes(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the class of each value, shape ``(n,)``; -1 where it is not finite."""
        half = len(self.colours) // 2
        outwards = np.array(self.edges[half + 1 : -1])
        steps = np.searchsorted(outwards, np.abs(values), side="left")
        place = half + np.where(values < 0, -steps, steps)
        return np.where(np.isfinite(values), place, -1).astype(np.intp)


def balanced_scale(end: float) -> BalancedScale:
    """Return seven classes from ``-end`` to ``end``, the middle one for what is as good as zero.

    Parameters
    ----------
    end : float
        Above 0. Breaks are at a tenth, four and seven tenths of it: 1, 4, 7 and 10 % for a tolerance of 10 %.
    """
    steps = [float(f"{part * end:.12g}") for part in _PARTS]
    return BalancedScale((*(-s for s in reversed(steps)), *steps), BELOW_AND_ABOVE)


def readable_above(value: float) -> float:
    """Return the first number from a value on that has one digit, or two of which the second is 0 or 5."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    leads = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    lead = next((lead for lead in leads if lead * power >= value * (1 - 1e-9)), 10.0)
    return float(f"{lead * power:.12g}")


def rising_scale(values: NDArray[np.float64], *, whole: bool = False) -> Scale | None:
    """Return up to seven classes for some values, of one width at readable numbers.

    Where most values would share one class, breaks follow the values' quantiles, rounded to readable numbers.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where unknown.
    whole : bool
        Whether values are counts, which no break between whole numbers tells apart.

    Returns
    -------
    Scale or None
        None where no value is known.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return None
    low, high = float(known.min()), float(known.max())
    if low == high or high - low < 1e-9 * max(abs(low), abs(high)):
        return Scale((low, high), (MORE[3],))
    edges = _even_edges(low, high, whole)
    counts = np.bincount(np.searchsorted(edges[1:-1], known, side="right"), minlength=len(edges) - 1)
    if len(known) >= 8 and counts.max() > _CROWDED_FRACTION * len(known):
        edges = _quantile_edges(known, edges, whole)
    n = len(edges) - 1
    return Scale(tuple(edges), tuple(MORE[round(k * (len(MORE) - 1) / max(n - 1, 1))] for k in range(n)))


def _even_edges(low: float, high: float, whole: bool) -> list[float]:
    power = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    for lead in (1, 2, 2.5, 5, 10, 20, 25, 50, 100):
        step = lead * power
        if whole and (step < 1 or step != round(step)):
            continue
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= _MOST_CLASSES:
            break
    return [float(f"{step * k:.12g}") for k in range(first, max(last, first + 1) + 1)]


def _quantile_edges(known: NDArray[np.float64], even: list[float], whole: bool) -> list[float]:
    inner = np.quantile(known, np.linspace(0, 1, _MOST_CLASSES)[1:-1])
    readable = {float(f"{q:.2g}") for q in inner.tolist()}
    rounded = sorted({float(round(q)) for q in readable} if whole else readable)
    kept = [q for q in rounded if even[0] < q < even[-1]]
    return [even[0], *kept, even[-1]] if len(kept) + 1 >= _FEWEST_CLASSES else even


def break_texts(edges: Sequence[float]) -> list[str]:
    """Return breaks as text, all with the same suffix and just as many decimals as tell them apart."""
    largest = max((abs(e) for e in edges), default=0.0)
    size, suffix = next(((s, text) for s, text in _SUFFIXES if largest >= s), (1.0, ""))
    scaled = [e / size for e in edges]
    tolerance = 1e-9 * max(1.0, largest / size)
    decimals = next((d for d in range(7) if all(abs(round(e, d) - e) <= tolerance for e in scaled)), 3)
    return [_minus(f"{e:,.{decimals}f}") + (suffix if e else "") for e in scaled]


def percent_texts(edges: Sequence[float]) -> list[str]:
    """Return breaks that are fractions as signed percentages without superfluous decimals: ``"−7 %"``, ``"+2.5 %"``."""
    percents = [100 * e for e in edges]
    tolerance = 1e-7 * max((abs(p) for p in percents), default=1.0)
    decimals = next((d for d in range(5) if all(abs(round(p, d) - p) <= tolerance for p in percents)), 3)
    return [_minus(f"{p:+,.{decimals}f} %") for p in percents]


def _minus(text: str) -> str:
    return text.replace("-", "−")
