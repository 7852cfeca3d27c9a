"""From real numbers to the whole numbers that CP-SAT works with, without losing what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.problem import AssignmentProblem

RESOLUTION = 2.0**40
"""Loads or costs that are no decimal numbers are represented to one part in this of their sum."""


@dataclass(frozen=True, eq=False)
class WholeNumbers:
    """Values as integers.

    Attributes
    ----------
    values : ndarray of int64
    scale : float
        ``value ≈ values / scale``.
    exact : bool
        Whether that holds exactly (up to the rounding of decimal fractions in binary).
    """

    values: NDArray[np.int64]
    scale: float
    exact: bool


def decimal_scale(values: NDArray[np.float64]) -> int | None:
    """Return the least power of ten (up to 10,000) that makes every value whole, or None."""
    for scale in (1, 10, 100, 1_000, 10_000):
        scaled = values * scale
        if (
            np.all(np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(1.0, np.abs(scaled)))
            and np.abs(scaled).sum() < RESOLUTION
        ):
            return scale
    return None


def to_whole(values: NDArray[np.float64]) -> WholeNumbers:
    """Return non-negative values as integers: exact for decimals, to ``RESOLUTION`` otherwise (rounded down)."""
    scale = decimal_scale(values)
    if scale is not None:
        return WholeNumbers(np.rint(values * scale).astype(np.int64), float(scale), True)
    factor = RESOLUTION / max(float(np.abs(values).sum()), 1e-300)
    return WholeNumbers(np.floor(values * factor).astype(np.int64), factor, False)


def tighten_to_whole(
    loads: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Round limits to what whole loads can reach: 250.7 becomes 251 as a lower limit, 277.1 becomes 277 as an upper.

    Only where every load is a whole number; otherwise the limits come back as they were. The optimum is unchanged,
    the bound is better.
    """
    if loads.size == 0 or not np.all(loads == np.rint(loads)):
        return lower, upper
    with np.errstate(invalid="ignore"):
        slack_lower, slack_upper = 1e-9 * np.maximum(1.0, np.abs(lower)), 1e-9 * np.maximum(1.0, np.abs(upper))
        return (
            np.where(np.isfinite(lower), np.ceil(lower - slack_lower), lower),
            np.where(np.isfinite(upper), np.floor(upper + slack_upper), upper),
        )


def tightened(problem: AssignmentProblem) -> AssignmentProblem:
    """Return the problem with limits rounded to whole numbers for measures whose loads are all whole.

    Soft targets stay where they are, but the bound is told that whole loads do not lie between two whole numbers.
    Where loads depend on the territory nothing is rounded, because the audit does not round there.
    """
    lower, upper = problem.lower.copy(), problem.upper.copy()
    whole = np.zeros(problem.n_measures, np.bool_)
    if problem.pair_loads is None:
        for k in range(problem.n_measures):
            lower[k], upper[k] = tighten_to_whole(problem.loads[k], lower[k], upper[k])
            whole[k] = problem.target_weight[k] > 0 and np.all(problem.loads[k] == np.rint(problem.loads[k]))
    tight = problem.with_limits(lower, upper)
    return tight.with_whole_targets(whole) if whole.any() else tight
