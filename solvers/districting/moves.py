"""What a limit on moves asks of territory design beside the limits on loads: today's alignment, and the fewest moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.disruption import DisruptedCentreCosts
from solvers.districting.infeasible.certificates import Infeasibility
from solvers.problem import with_slack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem, Districts

PROOF_MARGIN = 1e-6
"""A bound must exceed the limit by this fraction to be a proof: integer programs are solved within tolerances."""


def today(problem: DistrictingProblem) -> NDArray[np.int32] | None:
    """Return the territory that has most of each unit today, −1 for none, shape ``(n_units,)``; None where not known.

    Not an answer: it may be in pieces, outside limits, and with territories that may not hold a unit.
    """
    return None if problem.disruption is None else problem.disruption.largest_part()


def counting_moves(problem: DistrictingProblem) -> DistrictingProblem:
    """Return the problem of least moves: the same rules but the limit on moves, an objective in units of disruption.

    Soft targets are not asked for.
    """
    disruption = problem.disruption
    if disruption is None or problem.centres is None:
        raise ValueError("moves are counted where today's alignment is known and centres are given")
    costs = DisruptedCentreCosts(problem.costs, disruption, 1.0, alone=True)
    return replace(
        problem,
        costs=costs,
        disruption=disruption.with_limit(np.inf),
        target_weight=np.zeros_like(problem.target_weight),
    )


def too_few_allowed(problem: DistrictingProblem, fewest: Districts) -> Infeasibility | None:
    """Return why no answer exists, where the fewest moves are proved to be more than may be, or there is none at all."""
    limit = problem.limit
    if fewest.contradiction is not None:
        return fewest.contradiction
    if limit is None or fewest.lower_bound is None:
        return None
    if fewest.lower_bound <= with_slack(limit.limit) + PROOF_MARGIN * fewest.lower_bound:
        return None
    nothing = np.empty(0, np.int64)
    measures = tuple(range(problem.n_measures))
    return Infeasibility("moves", nothing, nothing, measures, problem.graph is not None, dict(fewest.proof))
