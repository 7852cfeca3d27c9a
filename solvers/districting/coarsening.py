"""A large problem as a small one: neighbouring units merged into cells of about the same load.

Cells come from halving the map again and again, each time across its longer side and through the middle of its load;
units of different eligibility classes or locks are never merged. Loads add up, so an answer of the small problem keeps
the limits of the large one; its travel is that of the cells' middles, and is measured and improved on the units.

Source: multilevel partitioning (Hendrickson & Leland 1995); k-d trees (Bentley 1975).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.centres.sites import in_space, unit_places
from solvers.districting.problem import PlaceCosts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


@dataclass(frozen=True, eq=False)
class Coarse:
    """A small problem that stands for a large one.

    Attributes
    ----------
    problem : DistrictingProblem
        Cells as units; one candidate in each cell that has any.
    cell : ndarray of int64, shape (n_units,)
        Cell of each unit of the large problem.
    candidate : ndarray of int64, shape (n_cells_with_a_candidate,)
        Candidate of the large problem that each of the small one is.
    """

    problem: DistrictingProblem
    cell: NDArray[np.int64]
    candidate: NDArray[np.int64]

    def majority(self, assignment: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the territory that most units of each cell are in, shape ``(n_cells,)``."""
        m = self.problem.n_territories
        keys, count = np.unique(self.cell * m + assignment, return_counts=True)
        order = np.lexsort((count, keys // m))
        last = np.flatnonzero(np.diff(keys[order] // m, append=-1))
        territory: NDArray[np.int64] = keys[order][last] % m
        return territory.astype(np.int32)


def _cells(
    places: NDArray[np.float64], mass: NDArray[np.float64], kind: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return about ``count`` cells of about the same mass, each of one kind, shape ``(n_units,)``."""
    cell = np.empty(len(places), np.int64)
    share = float(mass.sum()) / count
    order = np.argsort(kind, kind="stable")
    cuts = np.flatnonzero(np.diff(kind[order])) + 1
    todo = list(np.split(order, cuts))
    made = 0
    while todo:
        units = todo.pop()
        # 1.4: a cell between 0.7 and 1.4 shares, whichever way the halving comes out.
        if len(units) == 1 or mass[units].sum() <= 1.4 * share:
            cell[units] = made
            made += 1
            continue
        spread = np.ptp(places[units], axis=0)
        along = np.argsort(places[units, int(np.argmax(spread))], kind="stable")
        units = units[along]
        weight = np.cumsum(mass[units])
        half = int(np.searchsorted(weight, weight[-1] / 2))
        half = min(max(half, 1), len(units) - 1)
        todo.append(units[half:])
        todo.append(units[:half])
    return cell


def coarsened(problem: DistrictingProblem, count: int, rng: np.random.Generator) -> Coarse | None:
    """Return a problem with about ``count`` units; None where units have no places."""
    costs = problem.costs
    places = unit_places(problem)
    if places is None or not isinstance(costs, PlaceCosts):
        return None
    n = problem.n_units
    mass = np.full(n, 1.0 / n)
    for row in problem.loads:
        total = np.abs(row).sum()
        if total > 0:
            mass += np.abs(row) / total
    kind = problem.class_of.astype(np.int64) * (problem.n_territories + 1) + problem.fixed + 1
    # Cut along axes turned at random: cells differ each time, and no border of theirs lasts.
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    cell = _cells(places @ turn, mass, kind, count)
    size = int(cell.max()) + 1
    row = np.repeat(np.arange(costs.n_units), np.diff(costs.member_start))
    weight = np.bincount(row, costs.weights, n)
    pull = np.maximum(weight, 1e-12)
    total = np.bincount(cell, pull, size)
    middle: NDArray[np.float64] = np.column_stack(
        [np.bincount(cell, pull * places[:, d], size) / total for d in range(3)]
    )
    housed = np.flatnonzero(problem.candidate_unit >= 0)
    homes = in_space(costs.candidates[housed], spherical=costs.spherical)
    of_cell = cell[problem.candidate_unit[housed]]
    away = ((homes - middle[of_cell]) ** 2).sum(axis=1)
    order = np.lexsort((away, of_cell))
    _, first = np.unique(of_cell[order], return_index=True)
    candidate = housed[order[first]]
    firsts = np.unique(cell, return_index=True)[1]
    small = replace(
        problem,
        costs=PlaceCosts(
            np.arange(size + 1),
            _flat(middle, spherical=costs.spherical),
            np.bincount(cell, weight, size).astype(np.float64),
            costs.candidates[candidate],
            costs.spherical,
            costs.power,
            costs.max_travel,
        ),
        candidate_unit=cell[problem.candidate_unit[candidate]].astype(np.int32),
        loads=np.array([np.bincount(cell, r, size) for r in problem.loads]).reshape(problem.n_measures, size),
        graph=None,
        class_of=problem.class_of[firsts],
        fixed=problem.fixed[firsts],
    )
    return Coarse(small, cell, candidate)


def _flat(places: NDArray[np.float64], *, spherical: bool) -> NDArray[np.float64]:
    """Return places in three dimensions as latitude and longitude, or x and y."""
    if not spherical:
        return np.ascontiguousarray(places[:, :2])
    level = np.hypot(places[:, 0], places[:, 1])
    latitude, longitude = np.arctan2(places[:, 2], level), np.arctan2(places[:, 1], places[:, 0])
    return np.column_stack([np.degrees(latitude), np.degrees(longitude)])
