"""Circles for accounts too many to draw: one per hexagon of the map and territory, in levels from coarse to fine.

The hexagons are of the map, not of the Earth: so they are equally wide on the screen everywhere, fit x and y as well as
longitude and latitude, and cost a few array operations a million accounts. A circle stands at the mean place of its
accounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Hexagons across what the map opens on: some ten pixels each in a large window.
_ACROSS = 90
_MOST_LEVELS = 6
# Circles of one level; a level with more is left out, and so are all finer ones.
_MOST_CIRCLES = 120_000
_ROW_HEIGHT = np.sqrt(3.0) / 2.0
_MORTON_BITS = 26


@dataclass(frozen=True)
class CircleLevel:
    """Circles from hexagons of one width.

    Attributes
    ----------
    pitch : float
        From the middle of a hexagon to the next, in pixels of the map at zoom 0.
    places : ndarray, shape (n_circles, 2)
        Pixels of the map at zoom 0.
    territory : ndarray of int, shape (n_circles,)
    accounts : ndarray of int, shape (n_circles,)
        How many accounts each stands for.
    travel : ndarray, shape (n_circles,)
        Mean over the accounts whose travel is known; NaN where none is.
    measures : dict of str to ndarray
        Sums; unknown counts as nothing.
    """

    pitch: float
    places: NDArray[np.float64]
    territory: NDArray[np.intp]
    accounts: NDArray[np.intp]
    travel: NDArray[np.float64]
    measures: dict[str, NDArray[np.float64]]


def circle_levels(
    places: NDArray[np.float64],
    territory: NDArray[np.intp],
    travel: NDArray[np.float64],
    measures: dict[str, NDArray[np.float64]],
) -> list[CircleLevel]:
    """Return circles in levels, each with hexagons half as wide as the one before.

    Parameters
    ----------
    places : ndarray, shape (n, 2)
        Finite, in pixels of the map at zoom 0.
    territory : ndarray of int, shape (n,)
        -1 for none.
    travel : ndarray, shape (n,)
    measures : dict of str to ndarray, each of shape (n,)
    """
    # A few accounts across an ocean do not make the hexagons of all the others wide.
    low, high = np.quantile(places, 0.005, axis=0), np.quantile(places, 0.995, axis=0)
    pitch = float((high - low).max() or np.ptp(places, axis=0).max() or 1.0) / _ACROSS
    levels: list[CircleLevel] = []
    for _ in range(_MOST_LEVELS):
        hexagon = hexagon_of(places - low, pitch)
        _, group = np.unique(hexagon * (territory.max() + 2) + territory + 1, return_inverse=True)
        n = int(group.max()) + 1
        if levels and n > _MOST_CIRCLES:
            break
        levels.append(_level(pitch, group, n, places, territory, travel, measures))
        pitch /= 2.0
    return levels


def _level(
    pitch: float,
    group: NDArray[np.intp],
    n: int,
    places: NDArray[np.float64],
    territory: NDArray[np.intp],
    travel: NDArray[np.float64],
    measures: dict[str, NDArray[np.float64]],
) -> CircleLevel:
    accounts = np.bincount(group, minlength=n)
    known = np.isfinite(travel)
    with_travel = np.bincount(group[known], minlength=n)
    first = np.zeros(n, dtype=np.int64)
    first[group] = np.arange(len(group))
    return CircleLevel(
        pitch,
        np.column_stack([np.bincount(group, places[:, axis], minlength=n) / accounts for axis in (0, 1)]),
        territory[first],
        accounts,
        np.divide(
            np.bincount(group[known], travel[known], minlength=n),
            with_travel,
            out=np.full(n, np.nan),
            where=with_travel > 0,
        ),
        {
            label: np.asarray(np.bincount(group, np.nan_to_num(values), minlength=n), dtype=np.float64)
            for label, values in measures.items()
        },
    )


def hexagon_of(places: NDArray[np.float64], pitch: float) -> NDArray[np.int64]:
    """Return a number for the regular hexagon that each place lies in, shape ``(n,)``; rows of hexagons in turn.

    The middles of hexagons are two rectangular lattices, one shifted by half a step both ways: the nearest middle is the
    nearer of two.
    """
    height = 2.0 * _ROW_HEIGHT * pitch
    even = np.rint(places / [pitch, height])
    odd = np.floor(places / [pitch, height])
    away_even = ((places - even * [pitch, height]) ** 2).sum(axis=1)
    away_odd = ((places - (odd + 0.5) * [pitch, height]) ** 2).sum(axis=1)
    column = np.where(away_even <= away_odd, even[:, 0], odd[:, 0]).astype(np.int64)
    row = np.where(away_even <= away_odd, 2 * even[:, 1], 2 * odd[:, 1] + 1).astype(np.int64)
    column -= column.min(initial=0)
    row -= row.min(initial=0)
    return np.asarray(row * (column.max(initial=0) + 1) + column, dtype=np.int64)


def near_first(places: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return an order in which places that follow each other are near each other (Morton's), shape ``(n,)``."""
    extent = float(np.ptp(places, axis=0).max()) or 1.0
    cell = ((places - places.min(axis=0)) / extent * (2**_MORTON_BITS - 1)).astype(np.uint64)
    code = _spread(cell[:, 0]) | (_spread(cell[:, 1]) << np.uint64(1))
    return np.argsort(code, kind="stable")


def _spread(whole: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Put a zero between every two bits of numbers of up to 32 bits."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        whole = (whole | (whole << np.uint64(shift))) & np.uint64(mask)
    return whole
