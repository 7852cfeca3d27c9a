"""Which loads are at a limit: as near to it as a planner can tell, or where the next whole one would break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from territory_engine.wording import loads_are_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import BalanceRule, PlanningProblem

AT_LIMIT_FRACTION = 0.01
"""A load is at its limit within this fraction of the room between its limits; without a lower one that is from 0."""
_ROUNDING = 1e-9


def reachable_limits(problem: PlanningProblem, rule: BalanceRule) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the most that loads may come to, shape ``(n_territories,)``: whole numbers where all loads are.

    Where accounts are counted, a limit of 133.9 is reached at 133.
    """
    if not loads_are_whole(problem, rule.measure):
        return rule.lower, rule.upper
    lower, upper = (v * (1 + side * _ROUNDING * np.sign(v)) for v, side in ((rule.lower, -1), (rule.upper, 1)))
    return np.ceil(lower), np.floor(upper)


def at_limits(
    load: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which loads are at or above their upper limit, and which others at or below their lower one.

    Parameters
    ----------
    load, lower, upper : ndarray, shape (n,)
        Limits as :func:`reachable_limits` gives them; infinite where there is none. A lower limit of 0 or less is none.

    Returns
    -------
    tuple of ndarray of bool, shape (n,)
    """
    floor = np.where(lower > 0, lower, 0.0)
    room = AT_LIMIT_FRACTION * np.maximum(np.where(np.isfinite(upper), upper, 2 * floor) - floor, 0.0)
    slack = room + _ROUNDING * (1 + np.abs(load))
    at_upper = load >= upper - slack
    return at_upper, ~at_upper & (lower > 0) & (load <= lower + slack)
