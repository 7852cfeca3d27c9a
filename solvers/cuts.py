"""One side of one measure at a time: limits that no split of the units can keep, by maximum flow.

Upper limits u_t can all be kept if and only if a flow source → units → allowed territories → sink carries every unit's
load through capacities u_t; lower limits l_t if and only if a flow source → territories → units → sink saturates all
l_t. Where it does not, the territories on the source's side of the least cut are the ones that clash, and prices of 1
on their limits prove it. Exact for loads that do not depend on the territory; linear in the allowed pairs.

Source: Ford & Fulkerson 1956; for lower limits Hoffman 1960, "Some recent applications of the theory of linear
inequalities to extremal combinatorial analysis" (circulations).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ortools.graph.python import max_flow

from solvers.bounds import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.problem import AssignmentProblem

ARCS = 6_000_000
"""No more allowed pairs than this are put into a flow."""

RESOLUTION = 2.0**52
"""Loads and limits become integers of this resolution over the largest sum they could have."""


class Cuts:
    """Finds clashing limits of a problem, asked any number of times.

    Parameters
    ----------
    problem : AssignmentProblem
        Loads must not depend on the territory. Lumped where it has been.
    """

    def __init__(self, problem: AssignmentProblem) -> None:
        self.loads, self.n_territories = problem.loads, problem.n_territories
        self.unit: NDArray[np.int64] | None = None
        units, territories, count = [], [], 0
        for first, _, block in problem.blocks():
            unit, territory = np.nonzero(np.isfinite(block))
            count += len(unit)
            if count > ARCS:
                return
            units.append(first + unit)
            territories.append(territory)
        self.unit = np.concatenate(units) if units else np.empty(0, np.int64)
        self.territory = np.concatenate(territories) if territories else np.empty(0, np.int64)

    @property
    def usable(self) -> bool:
        """Whether the allowed pairs are few enough."""
        return self.unit is not None

    def above(self, measure: int, upper: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Return the territories whose upper limits cannot all be kept, or None where all can.

        Parameters
        ----------
        measure : int
        upper : ndarray of float64, shape (n_territories,)
            inf where there is no limit.
        """
        return self._clash(self.loads[measure], np.maximum(upper, 0.0), upward=True)

    def below(self, measure: int, lower: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Return the territories whose lower limits cannot all be kept, or None where all can.

        Parameters
        ----------
        measure : int
        lower : ndarray of float64, shape (n_territories,)
            −inf where there is no limit.
        """
        return self._clash(self.loads[measure], np.where(lower > 0, lower, 0.0), upward=False)

    def _clash(
        self, loads: NDArray[np.float64], limits: NDArray[np.float64], *, upward: bool
    ) -> NDArray[np.bool_] | None:
        if self.unit is None:
            return None
        n, m = len(loads), self.n_territories
        # Beyond twice the total no limit says more; capping keeps the resolution for the loads.
        total = float(loads.sum()) or 1.0
        scale = RESOLUTION / (2 * total * max(1, m))
        load = np.rint(loads * scale).astype(np.int64)
        limit = np.rint(np.minimum(limits, 2 * total) * scale).astype(np.int64)
        unit_node, place_node, source, sink = np.arange(n), n + np.arange(m), n + m, n + m + 1
        wide = np.full(len(self.unit), np.int64(RESOLUTION))
        flow = max_flow.SimpleMaxFlow()
        if upward:
            flow.add_arcs_with_capacity(np.full(n, source), unit_node, load)
            flow.add_arcs_with_capacity(self.unit, n + self.territory, wide)
            flow.add_arcs_with_capacity(place_node, np.full(m, sink), limit)
            wanted = int(load.sum())
        else:
            flow.add_arcs_with_capacity(np.full(m, source), place_node, limit)
            flow.add_arcs_with_capacity(n + self.territory, self.unit, wide)
            flow.add_arcs_with_capacity(unit_node, np.full(n, sink), load)
            wanted = int(limit.sum())
        if flow.solve(source, sink) != flow.OPTIMAL:
            return None
        # Rounding each number moves the sums by at most one half each.
        if wanted - flow.optimal_flow() <= n + m:
            return None
        inside = np.zeros(n + m + 2, np.bool_)
        inside[np.asarray(flow.get_source_side_min_cut())] = True
        return inside[n : n + m]


def cut_prices(problem: AssignmentProblem, measure: int, side: str, territories: NDArray[np.bool_]) -> Prices:
    """Return prices of 1 on one side (``"upper"`` or ``"lower"``) of one measure's limits, at these territories."""
    prices = Prices.zero(problem)
    (prices.upper if side == "upper" else prices.lower)[measure, territories] = 1.0
    return prices
