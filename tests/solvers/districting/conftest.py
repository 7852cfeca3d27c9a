"""Small territory design problems with known answers, and the literature's where a folder with them is named."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.checks import broken_rules
from solvers.districting.problem import DistrictingProblem, Graph, PlaceCosts

if TYPE_CHECKING:
    from numpy.typing import NDArray


def points_problem(
    points: NDArray[np.float64],
    loads: NDArray[np.float64],
    lower: float | NDArray[np.float64],
    upper: float | NDArray[np.float64],
    n_territories: int,
    *,
    weights: NDArray[np.float64] | None = None,
    power: int = 1,
    spherical: bool = False,
    pairs: list[tuple[int, int]] | None = None,
    centres: NDArray[np.int64] | None = None,
) -> DistrictingProblem:
    """Return a problem where every unit is one point and may be a centre; ``loads`` has shape (n_measures, n_units)."""
    n = len(points)
    costs = PlaceCosts(np.arange(n + 1), points, np.ones(n) if weights is None else weights, points, spherical, power)
    shape = (len(loads), n_territories)
    low = np.broadcast_to(np.reshape(lower, (-1, 1)) if np.ndim(lower) == 1 else lower, shape).astype(float)
    high = np.broadcast_to(np.reshape(upper, (-1, 1)) if np.ndim(upper) == 1 else upper, shape).astype(float)
    graph = None
    if pairs is not None:
        ends = np.array(pairs, np.int64).reshape(-1, 2)
        graph = Graph.of_pairs(n, ends[:, 0], ends[:, 1])
    return DistrictingProblem.plain(costs, np.arange(n, dtype=np.int32), loads, low, high, centres=centres, graph=graph)


def brute_force(problem: DistrictingProblem) -> float:
    """Return the least objective over every assignment and every choice of centres; inf when none keeps the rules."""
    n, m = problem.n_units, problem.n_territories
    best = np.inf
    table = problem.costs.columns(np.arange(problem.costs.n_candidates))
    for answer in product(range(m), repeat=n):
        assignment = np.array(answer, np.int32)
        if problem.centres is None:
            centres = np.empty(m, np.int64)
            for t in range(m):
                inside = np.flatnonzero(assignment == t)
                own = np.flatnonzero(np.isin(problem.candidate_unit, inside))
                if len(own) == 0:
                    break
                centres[t] = own[np.argmin(table[np.ix_(inside, own)].sum(axis=0))]
            else:
                if not broken_rules(problem, centres, assignment):
                    best = min(best, problem.cost_of(centres, assignment))
            continue
        if not broken_rules(problem, problem.centres, assignment):
            best = min(best, problem.cost_of(problem.centres, assignment))
    return best
