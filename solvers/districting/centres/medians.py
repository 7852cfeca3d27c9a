"""The best centre of every territory: the candidate in its own units that serves them at least cost.

Where a territory has many candidates only those near its middle are looked at: the cost of serving all units is a
convex function of the place, so the best place is where its valley is lowest, and a candidate near it is near best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.chunks import over_chunks
from solvers.districting.centres.sites import SiteCosts, in_space, pointwise, site_cost, unit_places
from solvers.districting.problem import PlaceCosts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

EVERY_CANDIDATE = 256
"""Up to this many candidates of a territory are all looked at; of more, as many nearest its middle and its centre."""

PAIRS_AT_ONCE = 2_000_000


@njit(cache=True, nogil=True)
def _best_sites(
    costs: SiteCosts,
    unit_start: NDArray[np.int64],
    units: NDArray[np.int64],
    site_start: NDArray[np.int64],
    sites: NDArray[np.int64],
    best: NDArray[np.int64],
    first: int,
    last: int,
) -> None:
    for t in range(first, last):
        least = np.inf
        for q in range(site_start[t], site_start[t + 1]):
            total = 0.0
            for p in range(unit_start[t], unit_start[t + 1]):
                total += site_cost(costs, units[p], sites[q])
                if total >= least:
                    break
            if total < least:
                least = total
                best[t] = sites[q]


class Recentring:
    """Moves centres to where their territories want them; what it needs of a problem is computed once."""

    def __init__(self, problem: DistrictingProblem) -> None:
        self.problem = problem
        self.housed = np.flatnonzero(problem.candidate_unit >= 0)
        self.free = np.flatnonzero(problem.candidate_unit < 0)
        costs = problem.costs
        self.places = unit_places(problem)
        self.homes = in_space(costs.candidates, spherical=costs.spherical) if isinstance(costs, PlaceCosts) else None
        self.weight = np.ones(problem.n_units)
        if isinstance(costs, PlaceCosts):
            row = np.repeat(np.arange(costs.n_units), np.diff(costs.member_start))
            self.weight = np.maximum(np.bincount(row, costs.weights, costs.n_units), 1e-12)
        self.pointwise = pointwise(costs)

    def begun(self, assignment: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return centres for an assignment that has none yet: from any candidate of each territory's own."""
        first = np.zeros(self.problem.n_territories, np.int64)
        first[assignment[self.problem.candidate_unit[self.housed]]] = self.housed
        return self.moved(first, assignment)

    def moved(self, centres: NDArray[np.int64], assignment: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the centres moved to the best candidates of their territories, each candidate once.

        A territory whose units have no candidate keeps its centre.
        """
        m = self.problem.n_territories
        order = np.argsort(assignment, kind="stable")
        ends = np.searchsorted(assignment[order], np.arange(m + 1))
        owner = assignment[self.problem.candidate_unit[self.housed]]
        by_owner = self.housed[np.argsort(owner, kind="stable")]
        site_ends = np.searchsorted(np.sort(owner), np.arange(m + 1))
        chosen = [
            self._near_middle(order[ends[t] : ends[t + 1]], by_owner[site_ends[t] : site_ends[t + 1]], centres[t])
            for t in range(m)
        ]
        out = centres.copy()
        if self.pointwise is not None and not len(self.free):
            starts = np.concatenate(([0], np.cumsum([len(c) for c in chosen]))).astype(np.int64)
            sites = np.concatenate(chosen).astype(np.int64)
            over_chunks(
                lambda _, a, b: _best_sites(self.pointwise, ends, order, starts, sites, out, a, b),  # type: ignore[arg-type]  # not None here
                m,
            )
            return out
        taken = np.zeros(self.problem.costs.n_candidates, np.bool_)
        taken[centres] = True
        for t in range(m):
            units = order[ends[t] : ends[t + 1]]
            taken[out[t]] = False
            sites = np.concatenate([chosen[t], self.free[~taken[self.free]]]).astype(np.int64)
            if len(sites) and len(units):
                total = self._totals(units, sites)
                q = int(np.argmin(total))
                if np.isfinite(total[q]):
                    out[t] = sites[q]
            taken[out[t]] = True
        return out

    def _near_middle(self, units: NDArray[np.int64], sites: NDArray[np.int64], centre: int) -> NDArray[np.int64]:
        if len(sites) <= EVERY_CANDIDATE or self.places is None or self.homes is None:
            return sites
        weight = self.weight[units]
        middle = (weight[:, None] * self.places[units]).sum(axis=0) / weight.sum()
        chosen = []
        for place in (middle, self.homes[centre]):
            away = ((self.homes[sites] - place) ** 2).sum(axis=1)
            chosen.append(sites[np.argpartition(away, EVERY_CANDIDATE // 2)[: EVERY_CANDIDATE // 2]])
        return np.union1d(*chosen)

    def _totals(self, units: NDArray[np.int64], sites: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.zeros(len(sites))
        step = max(1, PAIRS_AT_ONCE // max(1, len(sites)))
        for first in range(0, len(units), step):
            total += self.problem.costs.submatrix(units[first : first + step], sites).sum(axis=0)
        return total
