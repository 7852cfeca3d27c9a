"""The lower bound that prices prove, by weak duality, over every allowed pair.

For any λ⁺, λ⁻ ≥ 0 and any |π| ≤ w::

    LB = Σ_i min_t ( c_it + Σ_k (λ⁺_kt − λ⁻_kt + π_kt) a_kit + β d_it ) − Σ_kt ( λ⁺_kt u_kt − λ⁻_kt l_kt + π_kt T_kt ) − β B

with β ≥ 0 the price of what changes hands, where that is limited to B in all.

A soft target is a pair of limits, both at T, whose prices are capped: w |L − T| = max over |π| ≤ w of π (L − T).

Where loads are whole numbers and T is not, no load lies between ⌊T⌋ and ⌊T⌋ + 1. With f = T − ⌊T⌋ the deviation of
whole loads is that of two whole targets, (1 − f) |L − ⌊T⌋| + f |L − ⌊T⌋ − 1|; π splits between the two as it pays
most, and the bound gains min( f (w + π), (1 − f) (w − π) ) per target.

Source: Lagrangian relaxation of the limits (Geoffrion 1974, "Lagrangean relaxation for integer programming").
One pass, no solver; the audit repeats it with its own code.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels import cheapest_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.problem import AssignmentProblem


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices of the limits and of the soft targets.

    Attributes
    ----------
    upper, lower : ndarray of float64, shape (n_measures, n_territories)
        λ⁺ and λ⁻, both ≥ 0, and 0 where the limit is infinite.
    target : ndarray of float64, shape (n_measures, n_territories)
        π between −w and w: positive where one unit of load less would bring the territory nearer its target, negative
        where one more would. Left out: zeros.
    moved : float
        β ≥ 0: price per unit of disruption; 0 where that is not limited.
    """

    upper: NDArray[np.float64]
    lower: NDArray[np.float64]
    target: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    moved: float = 0.0

    def __post_init__(self) -> None:
        if self.target.size == 0:
            object.__setattr__(self, "target", np.zeros(self.upper.shape))

    @property
    def net(self) -> NDArray[np.float64]:
        """λ⁺ − λ⁻ + π: what one more unit of load costs in each territory."""
        return self.upper - self.lower + self.target

    @classmethod
    def zero(cls, problem: AssignmentProblem) -> Prices:
        """Return no prices at all."""
        shape = (problem.n_measures, problem.n_territories)
        return cls(np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(
        cls,
        problem: AssignmentProblem,
        upper: NDArray[np.float64],
        lower: NDArray[np.float64],
        target: NDArray[np.float64] | None = None,
        moved: float = 0.0,
    ) -> Prices:
        """Return valid prices: negatives and prices of infinite limits are cut to 0, prices of targets to ±w."""
        cap = problem.target_weight[:, None]
        return cls(
            np.where(np.isfinite(problem.upper), np.maximum(upper, 0.0), 0.0),
            np.where(np.isfinite(problem.lower), np.maximum(lower, 0.0), 0.0),
            np.zeros(upper.shape) if target is None else np.clip(target, -cap, cap),
            max(0.0, moved) if problem.limit is not None else 0.0,
        )

    @classmethod
    def of_net(cls, problem: AssignmentProblem, net: NDArray[np.float64], moved: float = 0.0) -> Prices:
        """Return the valid prices with this sum that prove most, as the target's price and the limits' own.

        What one price p is worth on one measure in one territory is max over l ≤ L ≤ u of p L − w |L − T|. With the
        target between the limits, p up to ±w is the target's and the rest the limits'. With the target above the
        upper limit every load is below it: its price is −w whatever p is; and w with the target below the lower limit.
        """
        if not problem.has_targets:
            return cls.of(problem, np.maximum(net, 0.0), np.maximum(-net, 0.0), moved=moved)
        cap = np.broadcast_to(problem.target_weight[:, None], net.shape)
        target = np.clip(net, -cap, cap)
        target = np.where(problem.target > problem.upper, -cap, target)
        target = np.where(problem.target < problem.lower, cap, target)
        rest = net - target
        return cls.of(problem, np.maximum(rest, 0.0), np.maximum(-rest, 0.0), target, moved)


def limit_value(problem: AssignmentProblem, prices: Prices) -> float:
    """Return Σ λ⁺u − λ⁻l + πT + βB, less what whole loads gain: what limits and targets are worth at these prices."""
    upper = np.where(prices.upper > 0, problem.upper, 0.0)
    lower = np.where(prices.lower > 0, problem.lower, 0.0)
    value = float((prices.upper * upper).sum() - (prices.lower * lower).sum())
    if problem.limit is not None:
        value += prices.moved * problem.limit.limit
    if problem.has_targets:
        value += float((prices.target * problem.target - whole_target_gain(problem, prices)).sum())
    return value


def whole_target_gain(problem: AssignmentProblem, prices: Prices) -> NDArray[np.float64]:
    """Return what the bound gains because loads are whole numbers, shape ``(n_measures, n_territories)``."""
    cap = problem.target_weight[:, None]
    _, fraction = problem.whole_below()
    return np.minimum(fraction * (cap + prices.target), (1 - fraction) * (cap - prices.target))


def centred(problem: AssignmentProblem, prices: Prices) -> Prices:
    """Return prices that prove as much, with each measure's target prices around 0 as far as they may be.

    Where the targets add up to the whole load, a constant added to all of a measure's π changes nothing: every unit pays
    it wherever it goes. A simplex leaves such prices at their cap; around 0 they say what a territory differs in.
    """
    target = prices.target.copy()
    for k in problem.soft:
        total = float(problem.loads[k].sum())
        if problem.pair_loads is not None or abs(float(problem.target[k].sum()) - total) > 1e-9 * max(1.0, total):
            continue
        weight = problem.target_weight[k]
        shift = np.clip(np.median(target[k]), target[k].max() - weight, target[k].min() + weight)
        target[k] = np.clip(target[k] - shift, -weight, weight)
    centre = replace(prices, target=target)
    # What whole loads gain depends on where the prices are, so it may be less there.
    least = priced_bound(problem, prices) - 1e-9 * problem.n_units
    return centre if priced_bound(problem, centre) >= least else prices


def reduced_block(
    problem: AssignmentProblem, prices: Prices, block: NDArray[np.float64], first: int
) -> NDArray[np.float64]:
    """Return the reduced costs of the units from ``first`` on whose costs are ``block``, in its shape."""
    last = first + len(block)
    if problem.pair_loads is None:
        reduced = block + problem.loads[:, first:last].T @ prices.net
    else:
        reduced = block + np.einsum("kt,kit->it", prices.net, problem.pair_loads[:, first:last])
    if problem.limit is not None and prices.moved > 0:
        reduced = problem.limit.add_to(reduced, first, prices.moved)
    return np.asarray(reduced)


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
        Count allowed pairs, and loads off target, as free: what an infeasibility certificate needs.

    Returns
    -------
    territory : ndarray of int32, shape (n_units, per_unit)
        Cheapest first; −1 where fewer are allowed.
    reduced : ndarray of float64, shape (n_units, per_unit)
    """
    net = prices.upper - prices.lower if costless else prices.net
    per_unit = min(per_unit, problem.n_territories)
    parts = []
    for first, last, block in problem.blocks():
        cost = np.where(np.isfinite(block), 0.0, np.inf) if costless else block
        if prices.moved > 0 and problem.limit is not None:
            cost = problem.limit.add_to(cost, first, prices.moved)
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
    return float(reduced[:, 0].sum()) - limit_value(problem.without_targets() if costless else problem, prices)
