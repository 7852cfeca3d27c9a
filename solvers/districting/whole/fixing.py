"""What multipliers rule out, once a design is known: centres and pairs that nothing better can use.

With centre j open the bound is Σ_i μ_i + ρ_j and the p − 1 smallest other values; with unit i served from j as well, ρ_j
rises to the least load of j that holds i, and no centre can be in i, unless it is j's own unit. Where that exceeds the
cost of a known design, every better design leaves j, or the pair, alone. Fewer pairs make the values larger, so it is
done again until nothing more goes.

Source: Lagrangian reduced-cost fixing as in Validi, Buchanan & Lykhovyd 2022, here with whole knapsacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.districting.bound.centre_bound import EFFORT, centre_values, loads_and_limits
from solvers.districting.bound.pricing import Lists

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

_SAFETY = 1e-8
"""A bound must exceed the known cost by this fraction of the numbers it is the difference of: rounding rules nothing out."""

_PASSES = 4

_FORCED_EFFORT = 5_000
"""Steps for the knapsack of one pair; a pair that needs more is kept by what they prove."""


@dataclass(frozen=True, eq=False)
class Fixing:
    """What a design better than the known one may use.

    Attributes
    ----------
    centre : ndarray of bool, shape (n_candidates,)
        Whether the candidate may be a centre.
    pair : ndarray of bool, shape (n_units, n_candidates)
        Whether the unit may be served from the candidate.
    """

    centre: NDArray[np.bool_]
    pair: NDArray[np.bool_]


def open_candidates(
    problem: DistrictingProblem,
    multipliers: NDArray[np.float64],
    measure: int | None,
    upper_value: float,
    *,
    whole: bool = False,
) -> NDArray[np.bool_]:
    """Return which candidates may be a centre of a design that costs at most ``upper_value``, shape (n_candidates,)."""
    value = centre_values(problem, multipliers, measure, whole=whole).value
    return _with_each_open(multipliers, value, problem.n_territories) <= _threshold(multipliers, upper_value)


def fix(
    problem: DistrictingProblem,
    multipliers: NDArray[np.float64],
    measure: int | None,
    upper_value: float,
    *,
    whole: bool = True,
) -> Fixing:
    """Return what a design that costs at most ``upper_value`` may use; for problems whose costs fit a table.

    Parameters
    ----------
    problem : DistrictingProblem
    multipliers : ndarray of float64, shape (n_units,)
    measure : int or None
        As for ``centre_bound.centre_bound``.
    upper_value : float
        Cost of a known design. Designs of exactly this cost are kept.
    whole : bool
    """
    load, lower, upper = loads_and_limits(problem, measure, whole=whole)
    worth, own, p = np.ascontiguousarray(multipliers, dtype=np.float64), problem.candidate_unit, problem.n_territories
    table = np.ascontiguousarray(problem.costs.columns(np.arange(problem.costs.n_candidates)).T)
    limit = _threshold(worth, upper_value)
    settled = np.flatnonzero(own >= 0)
    centre = np.ones(len(own), np.bool_)
    for _ in range(_PASSES):
        before = int(np.isfinite(table).sum())
        listed = Lists.of_table(table, own, load, lower, upper)
        value, divided = listed.values(worth, EFFORT if whole else 0).value, listed.values(worth, 0)
        centre &= _with_each_open(worth, value, p) <= limit
        table[~centre] = np.inf
        others = float(worth.sum()) + _others(value, own, p, problem.n_units)
        # First what the price of load says about a pair, which costs nothing: serving i where that does not pay.
        price = np.where(np.isfinite(divided.price), divided.price, 0.0)
        excess = table - worth - price[:, None] * load
        excess[settled, own[settled]] = 0.0
        table[others + np.maximum(value[:, None], divided.value[:, None] + np.maximum(excess, 0.0)) > limit] = np.inf
        if whole:
            _force_pairs(table, own, worth, load, lower, upper, limit - others)
        if int(np.isfinite(table).sum()) == before:
            break
    centre[settled] &= np.isfinite(table[settled, own[settled]])
    table[~centre] = np.inf
    return Fixing(centre, np.asarray(np.isfinite(table).T))


def _threshold(multipliers: NDArray[np.float64], upper_value: float) -> float:
    return upper_value + _SAFETY * (abs(upper_value) + float(np.abs(multipliers).sum()))


def _with_each_open(worth: NDArray[np.float64], value: NDArray[np.float64], p: int) -> NDArray[np.float64]:
    """Return the bound with each candidate open: its own value and the p − 1 smallest of the others."""
    smallest = np.sort(value)[: p - 1]
    if p > len(value):
        return np.full(len(value), np.inf)
    last = smallest[-1] if p > 1 else -np.inf
    inside = value <= last
    with np.errstate(invalid="ignore"):
        # One of the p − 1 smallest is replaced by the next one where the candidate itself is among them.
        rest = np.where(inside, np.sort(value)[:p].sum() - value, smallest.sum())
    return np.where(np.isfinite(value), worth.sum() + value + rest, np.inf)


def _others(value: NDArray[np.float64], own: NDArray[np.int32], p: int, n_units: int) -> NDArray[np.float64]:
    """Return the least the other p − 1 centres are worth when unit i is served from j, shape (n_candidates, n_units).

    They are neither j nor in unit i, unless that is j's own.
    """
    m = len(value)
    order = np.argsort(value, kind="stable")
    out = np.empty((m, n_units))
    for j in range(m):
        near = order[: p + 1]
        near = near[near != j]
        # The p − 1 cheapest others, and the one that takes over where one of them may not be open.
        first, spare = near[: p - 1], value[near[p - 1]] if len(near) >= p else np.inf
        total = float(value[first].sum()) if len(first) == p - 1 else np.inf
        out[j] = total
        if np.isfinite(total):
            units, position = np.unique(own[first], return_index=True)
            real = units >= 0
            out[j, units[real]] = total - value[first[position[real]]] + spare
        if own[j] >= 0:
            out[j, own[j]] = total
    return out


def _force_pairs(
    table: NDArray[np.float64],
    own: NDArray[np.int32],
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: float,
    upper: float,
    room: NDArray[np.float64],
) -> None:
    """Rule out the pairs with which no whole load of their centre costs at most ``room``, shape (n_candidates, n_units)."""
    for j in np.flatnonzero(np.isfinite(table).any(axis=1)):
        home = own[j]
        units = np.flatnonzero(np.isfinite(table[j]) & (np.arange(len(worth)) != home)).astype(np.int32)
        base, held = (0.0, 0.0) if home < 0 else (float(table[j, home] - worth[home]), float(load[home]))
        count = len(units)
        # One row for each unit: it takes the place of the own one, whose share is settled beforehand.
        rows = Lists(
            units,
            np.arange(count + 1, dtype=np.int64) * count,
            np.tile(units, count),
            np.tile(table[j, units], count),
            load,
            np.full(count, lower - held),
            np.full(count, upper - held),
        )
        table[j, units[base + rows.values(worth, _FORCED_EFFORT).value > room[j, units]]] = np.inf
