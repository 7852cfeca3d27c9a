"""Compiled loops shared by the rungs: distances and reduced costs over blocks of units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.chunks import over_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _haversine_rows(
    points: NDArray[np.float64],
    centers: NDArray[np.float64],
    radius: float,
    out: NDArray[np.float64],
    first: int,
    last: int,
) -> None:
    m = centers.shape[0]
    cx, cy, cz = np.empty(m), np.empty(m), np.empty(m)
    for t in range(m):
        cx[t] = math.cos(centers[t, 0]) * math.cos(centers[t, 1])
        cy[t] = math.cos(centers[t, 0]) * math.sin(centers[t, 1])
        cz[t] = math.sin(centers[t, 0])
    for i in range(first, last):
        x = math.cos(points[i, 0]) * math.cos(points[i, 1])
        y = math.cos(points[i, 0]) * math.sin(points[i, 1])
        z = math.sin(points[i, 0])
        for t in range(m):
            chord = (x - cx[t]) ** 2 + (y - cy[t]) ** 2 + (z - cz[t]) ** 2
            out[i, t] = 2.0 * radius * math.asin(min(1.0, math.sqrt(chord) / 2.0))


def haversine_block(points: NDArray[np.float64], centers: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return great-circle distances, shape ``(n_points, n_centers)``, in the unit of ``radius``.

    ``points`` and ``centers`` are latitude and longitude in radians. Source: the haversine formula,
    2R·asin(√(sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2))), by way of the chord between unit vectors, which needs no
    trigonometry but one arcsine in the inner loop: the chord squared is 4 times the haversine.
    """
    out = np.empty((len(points), len(centers)))
    over_chunks(lambda _, first, last: _haversine_rows(points, centers, radius, out, first, last), len(points))
    return out


@njit(cache=True, nogil=True)
def _cheapest_rows(
    cost: NDArray[np.float64],
    loads: NDArray[np.float64],
    prices: NDArray[np.float64],
    territory: NDArray[np.int32],
    reduced: NDArray[np.float64],
    first: int,
    last: int,
) -> None:
    m, per_unit = cost.shape[1], territory.shape[1]
    n_measures = prices.shape[0]
    for i in range(first, last):
        for t in range(m):
            value = cost[i, t]
            for k in range(n_measures):
                value += prices[k, t] * loads[k, i]
            if value < reduced[i, per_unit - 1]:
                slot = per_unit - 1
                while slot > 0 and reduced[i, slot - 1] > value:
                    reduced[i, slot] = reduced[i, slot - 1]
                    territory[i, slot] = territory[i, slot - 1]
                    slot -= 1
                reduced[i, slot] = value
                territory[i, slot] = t


def cheapest_pairs(
    cost: NDArray[np.float64], loads: NDArray[np.float64], prices: NDArray[np.float64], per_unit: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the ``per_unit`` territories of least reduced cost for every unit, cheapest first.

    Parameters
    ----------
    cost : ndarray, shape (n, n_territories)
        +inf where not allowed.
    loads : ndarray, shape (n_measures, n)
    prices : ndarray, shape (n_measures, n_territories)
        λ⁺ − λ⁻.
    per_unit : int

    Returns
    -------
    territory : ndarray of int32, shape (n, per_unit)
        −1 where fewer are allowed.
    reduced : ndarray of float64, shape (n, per_unit)
        Cost plus priced load; +inf where territory is −1.
    """
    n = len(cost)
    territory = np.full((n, per_unit), -1, np.int32)
    reduced = np.full((n, per_unit), np.inf)
    over_chunks(lambda _, first, last: _cheapest_rows(cost, loads, prices, territory, reduced, first, last), n)
    return territory, reduced
