"""What remains once centres are chosen: an assignment problem, which the fixed-centre ladder knows how to price and solve.

Connectedness is left out, so prices and bounds found here stay valid with it, and are only weaker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.problem import AssignmentProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


@dataclass(frozen=True, eq=False)
class CostsAtCentres:
    """Costs of every unit in every territory once the centres are given, by blocks of units.

    Attributes
    ----------
    design : DistrictingProblem
    centres : ndarray of int64, shape (n_territories,)
        Candidate of each territory.
    owner : ndarray of int32, shape (n_units,)
        Territory that a unit must be in because its place is the centre; −1 elsewhere.
    """

    design: DistrictingProblem
    centres: NDArray[np.int64]
    owner: NDArray[np.int32]

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.design.n_units

    @property
    def n_territories(self) -> int:
        """Number of territories."""
        return self.design.n_territories

    def block(self, first: int, last: int) -> NDArray[np.float64]:
        """Return costs, shape ``(last − first, n_territories)``; +inf where the pair is not allowed."""
        design = self.design
        # A copy: a dense table may hand out its own memory.
        cost = np.array(design.costs.submatrix(np.arange(first, last), self.centres))
        if not design.class_allowed.all():
            cost[~design.class_allowed[design.class_of[first:last]]] = np.inf
        for only in (design.fixed[first:last], self.owner[first:last]):
            rows = np.flatnonzero(only >= 0)
            kept = cost[rows, only[rows]]
            cost[rows] = np.inf
            cost[rows, only[rows]] = kept
        return cost


def assignment_problem(
    design: DistrictingProblem, centres: NDArray[np.int64], *, own_centres: bool = True
) -> AssignmentProblem:
    """Return the assignment problem at these centres, without connectedness.

    Parameters
    ----------
    design : DistrictingProblem
    centres : ndarray of int64, shape (n_territories,)
    own_centres : bool
        Whether the unit of each centre must be in its territory.
    """
    owner = np.full(design.n_units, -1, np.int32)
    if own_centres:
        home = design.candidate_unit[centres]
        inside = np.flatnonzero(home >= 0)
        owner[home[inside]] = inside
    return AssignmentProblem(
        CostsAtCentres(design, centres, owner),
        design.loads,
        design.lower,
        design.upper,
        target=design.target,
        target_weight=design.target_weight,
        disruption=design.limit,
    )
