"""Multipliers for problems too large to climb with every candidate and every unit on its own.

What serving a unit is worth varies slowly from place to place. So it is described by a few numbers (one per *cell* of
neighbouring units, per unit of weight and per unit of load) and interpolated; and the bound is tried on a part of the
candidates, each standing for those around it, so that what is worth opening once may be opened as often as there are
candidates there. With multipliers free at every unit and each tried candidate opened once at most, the ascent fits the
candidates it sees and proves nothing about the others.

The part is drawn anew every round, evenly over space, and candidates that turn out too attractive are kept in it. The p
best are chosen softly (a temperature that falls), so that a slope speaks of many places at once: Nesterov 2005, "Smooth
minimization of non-smooth functions", for a choice of p among many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from solvers.districting.bound.offers import Offers, joined, offers
from solvers.districting.bound.reach import Reach
from solvers.problem import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem, PlaceCosts

_CELLS, _TRIED = 7, 10
"""Cells and tried candidates per territory: both well below a territory's size."""

_LEAST_CELLS, _LEAST_TRIED = 400, 1_000

_LISTED_BEYOND = 1.5
"""Pairs are listed up to this multiple of what a unit is worth at the start of a round."""

_KEPT = 500
"""Attractive candidates kept for the next rounds, each time the bound over all of them is worked out."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Units by neighbourhood, and what a unit is worth as a sum over the cells near it.

    Attributes
    ----------
    spread : sparse array, shape (n_units, n_numbers)
        From the cells' numbers to the units' multipliers.
    start : ndarray of float64, shape (n_numbers,)
    """

    spread: sp.csr_matrix
    start: NDArray[np.float64]

    @classmethod
    def of(cls, reach: Reach, load: NDArray[np.float64], n_territories: int, most: int) -> Cells:
        """Return the cells of a problem, starting where a centre in a cell would take a fair share of the load.

        There are ``most`` at most.
        """
        costs = reach.costs
        n = costs.n_units
        place, weight = _unit_places(reach)
        count = max(1, min(n, most, max(_LEAST_CELLS, _CELLS * n_territories)))
        order = np.asarray(cKDTree(place, leafsize=8).indices)
        cell = np.empty(n, np.int64)
        cell[order] = np.arange(n) * count // n
        size = np.bincount(cell, minlength=count)
        middle = np.column_stack([np.bincount(cell, column, count) / size for column in place.T])
        tree = cKDTree(middle)
        near = min(4, count)
        away, which = _nearest(tree, place, near)
        share = 1.0 / (away + 0.1 * np.median(away) + 1e-300)
        share /= share.sum(axis=1, keepdims=True)
        parts = [weight]
        # Where weight is a multiple of load, a price per unit of load says the same again.
        if np.linalg.matrix_rank(np.column_stack([weight, load])) > 1:
            parts.append(load)
        weights = np.concatenate([(share * part[:, None]).ravel() for part in parts])
        columns = np.concatenate([which.ravel() + k * count for k in range(len(parts))])
        shape = (n, len(parts) * count)
        spread = sp.csr_matrix((weights, (np.tile(np.repeat(np.arange(n), near), len(parts)), columns)), shape=shape)
        start = np.zeros(len(parts) * count)
        start[:count] = _fair_distance(tree, middle, np.bincount(cell, load, count).astype(float), n_territories, costs)
        return cls(spread, start)


def _nearest(tree: cKDTree, places: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances to the nearest points of a tree, and which they are, shape ``(len(places), count)`` each."""
    away, which = tree.query(places, k=np.arange(1, count + 1))
    return np.asarray(away, np.float64), np.asarray(which, np.int64)


def _unit_places(reach: Reach) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle of each unit's members and their weight, shapes (n_units, 3) and (n_units,)."""
    n = reach.costs.n_units
    unit = np.repeat(np.arange(n), np.diff(reach.member_start))
    weight = np.bincount(unit, reach.costs.weights[reach.placed], n).astype(float)
    count = np.maximum(1, np.bincount(unit, minlength=n))
    return np.column_stack([np.bincount(unit, x, n) / count for x in reach.position.T]), weight


def _fair_distance(
    tree: cKDTree, middle: NDArray[np.float64], load: NDArray[np.float64], n_territories: int, costs: PlaceCosts
) -> NDArray[np.float64]:
    """Return distance^power from each cell within which a fair share of the load is; remote cells are cut short."""
    near = min(len(middle), 8 * _CELLS)
    away, which = _nearest(tree, middle, near)
    rim = np.minimum((np.cumsum(load[which], axis=1) < load.sum() / n_territories).sum(axis=1), near - 1)
    distance = away[np.arange(len(middle)), rim]
    distance = np.minimum(distance, 4 * np.median(distance))
    if costs.spherical:
        distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(1.0, distance / 2))
    return np.asarray(distance**costs.power)


@dataclass(frozen=True, eq=False)
class Tried:
    """Some candidates, each standing for those around it.

    Attributes
    ----------
    listed : Offers
    stands_for : ndarray of float64, shape (n_rows,)
    """

    listed: Offers
    stands_for: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        problem: DistrictingProblem,
        order: NDArray[np.int64],
        part: float,
        kept: NDArray[np.int64],
        worth: NDArray[np.float64],
        limits: tuple[NDArray[np.float64], float, float],
    ) -> Tried:
        """Draw candidates evenly along ``order`` (neighbours in space), ``part`` of a step further; and those ``kept``."""
        m = len(order)
        count = min(m, max(_LEAST_TRIED, _TRIED * problem.n_territories))
        drawn = order[np.minimum(m - 1, ((np.arange(count) + part) * m / count).astype(np.int64))]
        listed = filled_offers(problem, np.unique(np.concatenate([drawn, kept])), worth, limits)
        position = np.empty(m, np.int64)
        position[order] = np.arange(m)
        stretch = position * count // m
        all_in, tried_in = (
            np.bincount(stretch, minlength=count),
            np.bincount(stretch[listed.candidate], minlength=count),
        )
        return cls(listed, (all_in / np.maximum(1, tried_in))[stretch[listed.candidate]])

    def bound(self, worth: NDArray[np.float64], value: NDArray[np.float64], count: int) -> float:
        """Return Σ worth and the ``count`` smallest values, each as often as it stands for a candidate."""
        order = np.argsort(value, kind="stable")
        often = self.stands_for[order]
        taken = np.clip(count - (np.cumsum(often) - often), 0.0, often)
        return float(worth.sum() + (taken[taken > 0] * value[order][taken > 0]).sum())

    def opened(self, value: NDArray[np.float64], count: int, temperature: float) -> NDArray[np.float64]:
        """Return how much each row is opened, ``count`` in all, at a temperature (in objective units)."""
        finite = np.isfinite(value)
        # Where nothing is worth anything there is no temperature either.
        temperature = max(temperature, 1e-9 * float(np.abs(value[finite]).max(initial=0.0)), 1e-300)
        low, high = float(value[finite].min()) - 60 * temperature, float(value[finite].max()) + 60 * temperature
        share = np.zeros(len(value))
        for _ in range(60):
            middle = 0.5 * (low + high)
            share[finite] = self.stands_for[finite] / (
                1 + np.exp(np.clip((value[finite] - middle) / temperature, -50, 50))
            )
            if share.sum() > count:
                high = middle
            else:
                low = middle
        # Rows that hardly count cost as much to work out as others.
        share[share < 1e-3 * count / len(share)] = 0.0
        return share


def filled_offers(
    problem: DistrictingProblem,
    candidates: NDArray[np.int64],
    worth: NDArray[np.float64],
    limits: tuple[NDArray[np.float64], float, float],
) -> Offers:
    """Return offers well beyond what units are worth, and far enough that every candidate can fill its lower limit."""
    load, lower, upper = limits
    cap = _LISTED_BEYOND * np.maximum(worth, 0.5 * np.median(worth))
    parts = []
    for factor in (1.0, 3.0, 10.0, np.inf):
        most = np.full(len(worth), np.inf) if factor == np.inf else factor * cap
        listed = offers(problem.costs, candidates, problem.candidate_unit, most, load, lower, upper)
        loaded = np.add.reduceat(np.append(load[listed.unit], 0.0), listed.start[:-1])
        full = (loaded >= 1.3 * lower) | (factor == np.inf)
        parts.append(listed.rows(np.flatnonzero(full)))
        candidates = candidates[~full]
        if len(candidates) == 0:
            break
    return joined(parts)


def most_attractive(value: NDArray[np.float64], order: NDArray[np.int64], n_territories: int) -> NDArray[np.int64]:
    """Return candidates of small value, from different places: one of every few that are neighbours along ``order``."""
    m = len(order)
    position = np.empty(m, np.int64)
    position[order] = np.arange(m)
    small = np.argsort(value, kind="stable")[: max(_KEPT, m // 12)]
    stretch = position[small] * max(_LEAST_TRIED, 2 * _TRIED * n_territories) // m
    _, first = np.unique(stretch, return_index=True)
    return small[np.sort(first)[:_KEPT]]
