"""What a move of whole units changes: penalties, deviations, loads, what changes hands, and who is in a territory.

Limits count as penalties, so the moves serve twice: from an assignment that breaks limits they repair, from one that keeps them
they improve and never break one (the penalty then outweighs any saving). Soft targets are penalties too, of their own price on
either side.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NOT_COUNTED: NDArray[np.float64] = np.empty(0)
UNLIMITED: NDArray[np.float64] = np.array([0.0, np.inf, 0.0])
"""``moved`` and ``budget`` where any amount may change hands."""


@njit(cache=True)
def breach(load: float, lower: float, upper: float) -> float:
    """Return by how much a load is outside its limits."""
    if load > upper:
        return load - upper
    if load < lower:
        return lower - load
    return 0.0


@njit(cache=True)
def deviation_cost(load: float, s: int, t: int, aims: NDArray[np.float64]) -> float:
    """Return what a load costs for being off the target of the ``s``-th soft measure."""
    over: float = load - aims[0, s, t]
    price: float = aims[1, s, t] if over > 0.0 else -aims[2, s, t]
    return price * over


@njit(cache=True)
def overspent_delta(change: float, budget: NDArray[np.float64]) -> float:
    """Return what a change of the amount that changes hands adds to the penalty for more of it than allowed."""
    more: float = max(0.0, budget[0] + change - budget[1]) - max(0.0, budget[0] - budget[1])
    dear: float = budget[2] * more
    return dear


@njit(cache=True)
def shift_delta(
    e_from: int,
    e_to: int,
    territory: NDArray[np.int32],
    load: NDArray[np.float64],
    totals: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    penalty: NDArray[np.float64],
    soft: NDArray[np.int64],
    aims: NDArray[np.float64],
    moved: NDArray[np.float64],
    budget: NDArray[np.float64],
) -> float:
    """Return the change of penalties and deviations when one unit goes from pair ``e_from`` to pair ``e_to``."""
    a, b = territory[e_from], territory[e_to]
    delta = 0.0
    for k in range(totals.shape[0]):
        after = breach(totals[k, a] - load[k, e_from], lower[k, a], upper[k, a])
        delta += penalty[k, a] * (after - breach(totals[k, a], lower[k, a], upper[k, a]))
        after = breach(totals[k, b] + load[k, e_to], lower[k, b], upper[k, b])
        delta += penalty[k, b] * (after - breach(totals[k, b], lower[k, b], upper[k, b]))
    for s in range(soft.shape[0]):
        k = soft[s]
        delta += deviation_cost(totals[k, a] - load[k, e_from], s, a, aims) - deviation_cost(totals[k, a], s, a, aims)
        delta += deviation_cost(totals[k, b] + load[k, e_to], s, b, aims) - deviation_cost(totals[k, b], s, b, aims)
    if moved.shape[0] > 0:
        delta += overspent_delta(moved[e_to] - moved[e_from], budget)
    return delta


@njit(cache=True)
def swap_delta(
    i_from: int,
    i_to: int,
    j_from: int,
    j_to: int,
    territory: NDArray[np.int32],
    load: NDArray[np.float64],
    totals: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    penalty: NDArray[np.float64],
    soft: NDArray[np.int64],
    aims: NDArray[np.float64],
    moved: NDArray[np.float64],
    budget: NDArray[np.float64],
) -> float:
    """Return the change of penalties and deviations when two units change places."""
    a, b = territory[i_from], territory[j_from]
    delta = 0.0
    for k in range(totals.shape[0]):
        after = breach(totals[k, a] - load[k, i_from] + load[k, j_to], lower[k, a], upper[k, a])
        delta += penalty[k, a] * (after - breach(totals[k, a], lower[k, a], upper[k, a]))
        after = breach(totals[k, b] - load[k, j_from] + load[k, i_to], lower[k, b], upper[k, b])
        delta += penalty[k, b] * (after - breach(totals[k, b], lower[k, b], upper[k, b]))
    for s in range(soft.shape[0]):
        k = soft[s]
        delta += deviation_cost(totals[k, a] - load[k, i_from] + load[k, j_to], s, a, aims) - deviation_cost(
            totals[k, a], s, a, aims
        )
        delta += deviation_cost(totals[k, b] - load[k, j_from] + load[k, i_to], s, b, aims) - deviation_cost(
            totals[k, b], s, b, aims
        )
    if moved.shape[0] > 0:
        delta += overspent_delta(moved[i_to] - moved[i_from] + moved[j_to] - moved[j_from], budget)
    return delta


@njit(cache=True)
def apply(
    e_from: int,
    e_to: int,
    territory: NDArray[np.int32],
    load: NDArray[np.float64],
    totals: NDArray[np.float64],
    moved: NDArray[np.float64],
    budget: NDArray[np.float64],
) -> None:
    """Move one unit's load from the territory of one pair to that of another."""
    for k in range(totals.shape[0]):
        totals[k, territory[e_from]] -= load[k, e_from]
        totals[k, territory[e_to]] += load[k, e_to]
    if moved.shape[0] > 0:
        budget[0] += moved[e_to] - moved[e_from]


@njit(cache=True)
def link(i: int, t: int, head: NDArray[np.int64], following: NDArray[np.int64], previous: NDArray[np.int64]) -> None:
    """Put unit ``i`` first in the list of territory ``t``'s members."""
    previous[i] = -1
    following[i] = head[t]
    if head[t] >= 0:
        previous[head[t]] = i
    head[t] = i


@njit(cache=True)
def unlink(i: int, t: int, head: NDArray[np.int64], following: NDArray[np.int64], previous: NDArray[np.int64]) -> None:
    """Take unit ``i`` out of the list of territory ``t``'s members."""
    if previous[i] >= 0:
        following[previous[i]] = following[i]
    else:
        head[t] = following[i]
    if following[i] >= 0:
        previous[following[i]] = previous[i]
