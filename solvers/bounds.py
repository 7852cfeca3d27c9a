"""The lower bound that prices prove, by weak duality, over every allowed pair.

For any λ⁺, λ⁻ ≥ 0::

    LB = Σ_i min_t ( c_it + Σ_k (λ⁺_kt − λ⁻_kt) a_kit ) − Σ_kt ( λ⁺_kt u_kt − λ⁻_kt l_kt )

Source: Lagrangian relaxation of the limits (Geoffrion 1974, "Lagrangean relaxation for integer programming").
One pass, no solver; the audit repeats it with its own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels import cheapest_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.problem import AssignmentProblem


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices of the limits.

    Attributes
    ----------
    upper, lower : ndarray of float64, shape (n_measures, n_territories)
        λ⁺ and λ⁻, both ≥ 0, and 0 where the limit is infinite.
    """

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @property
    def net(self) -> NDArray[np.float64]:
        """λ⁺ − λ⁻: what one more unit of load costs in each territory."""
        return self.upper - self.lower

    @classmethod
    def zero(cls, problem: AssignmentProblem) -> Prices:
        """Return no prices at all."""
        shape = (problem.n_measures, problem.n_territories)
        return cls(np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(cls, problem: AssignmentProblem, upper: NDArray[np.float64], lower: NDArray[np.float64]) -> Prices:
        """Return valid prices: negatives and prices of infinite limits are cut to 0."""
        return cls(
            np.where(np.isfinite(problem.upper), np.maximum(upper, 0.0), 0.0),
            np.where(np.isfinite(problem.lower), np.maximum(lower, 0.0), 0.0),
        )


def limit_value(problem: AssignmentProblem, prices: Prices) -> float:
    """Return Σ λ⁺u − λ⁻l: what the limits are worth at these prices."""
    upper = np.where(prices.upper > 0, problem.upper, 0.0)
    lower = np.where(prices.lower > 0, problem.lower, 0.0)
    return float((prices.upper * upper).sum() - (prices.lower * lower).sum())


def cheapest(
    problem: AssignmentProblem, prices: Prices, per_unit: int = 1, *, costless: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return each unit's territories of least reduced cost, over every allowed pair.

    Parameters
    ----------
    problem : AssignmentProblem
    prices : Prices
    per_unit : int
        How many to keep.
    costless : bool
        Count allowed pairs as free: what an infeasibility certificate needs.

    Returns
    -------
    territory : ndarray of int32, shape (n_units, per_unit)
        Cheapest first; −1 where fewer are allowed.
    reduced : ndarray of float64, shape (n_units, per_unit)
    """
    net = prices.net
    per_unit = min(per_unit, problem.n_territories)
    parts = []
    for first, last, block in problem.blocks():
        cost = np.where(np.isfinite(block), 0.0, np.inf) if costless else block
        if problem.pair_loads is None:
            parts.append(cheapest_pairs(cost, np.ascontiguousarray(problem.loads[:, first:last]), net, per_unit))
        else:
            priced = cost + np.einsum("kt,kit->it", net, problem.pair_loads[:, first:last])
            parts.append(
                cheapest_pairs(priced, np.empty((0, last - first)), np.empty((0, problem.n_territories)), per_unit)
            )
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def priced_bound(problem: AssignmentProblem, prices: Prices, *, costless: bool = False) -> float:
    """Return the lower bound that these prices prove; +inf when a unit has no allowed territory."""
    _, reduced = cheapest(problem, prices, 1, costless=costless)
    return float(reduced[:, 0].sum()) - limit_value(problem, prices)
