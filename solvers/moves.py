"""Fast local search over whole units: shift one, swap two.

Source: the classical moves for generalized assignment (Osman 1995). It stops at a local optimum; relays along a chain of
territories (:mod:`solvers.relays`) and the exact neighbourhoods take over from there.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers.move_effects import apply, link, shift_delta, swap_delta, unlink


@njit(cache=True)
def descend(
    start: NDArray[np.int64],
    territory: NDArray[np.int32],
    cost: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    penalty: NDArray[np.float64],
    soft: NDArray[np.int64],
    aims: NDArray[np.float64],
    order: NDArray[np.int64],
    pair: NDArray[np.int64],
    totals: NDArray[np.float64],
    moved: NDArray[np.float64],
    budget: NDArray[np.float64],
    swaps: int,
    work: int,
) -> int:
    """Shift and swap until nothing improves or ``work`` pairs have been looked at; change ``pair`` and ``totals`` in place.

    Parameters
    ----------
    start, territory, cost, load
        The candidates.
    lower, upper : ndarray, shape (n_measures, n_territories)
    penalty : ndarray, shape (n_measures, n_territories)
        Cost of one unit of violation.
    soft : ndarray of int64, shape (n_soft,)
        The measures with soft targets.
    aims : ndarray, shape (3, n_soft, n_territories)
        Their targets, and the cost of one unit of load above and below.
    order : ndarray of int64, shape (any,)
        The units to try, in this order.
    pair : ndarray of int64, shape (n_units,)
        Candidate pair of each unit.
    totals : ndarray, shape (n_measures, n_territories)
        Loads under ``pair``.
    moved : ndarray, shape (n_pairs,), or (0,)
        What changes hands with each pair; empty where that is not limited.
    budget : ndarray, shape (3,)
        What changes hands under ``pair`` in all (changed in place), the most that may, and the cost of one unit beyond.
    swaps : int
        0: none; 1: for units in a territory that breaks a limit; 2: for every unit that no shift improves.
    work : int

    Returns
    -------
    int
        Work left.
    """
    n = start.shape[0] - 1
    n_measures, m = totals.shape
    # Doubly linked lists of each territory's members.
    head = np.full(m, -1, np.int64)
    following = np.full(n, -1, np.int64)
    previous = np.full(n, -1, np.int64)
    for i in range(n - 1, -1, -1):
        link(i, territory[pair[i]], head, following, previous)
    improved = True
    while improved and work > 0:
        improved = False
        for position in range(order.shape[0]):
            i = order[position]
            if start[i + 1] - start[i] < 2:
                continue
            here = pair[i]
            best, best_delta = here, -1e-9
            for e in range(start[i], start[i + 1]):
                if e == here:
                    continue
                delta = cost[e] - cost[here]
                delta += shift_delta(here, e, territory, load, totals, lower, upper, penalty, soft, aims, moved, budget)
                if delta < best_delta:
                    best, best_delta = e, delta
            work -= start[i + 1] - start[i]
            partner, partner_to = -1, -1
            if best == here:
                broken = swaps == 2
                if swaps == 1:
                    t = territory[here]
                    broken = budget[0] > budget[1] and moved.shape[0] > 0 and moved[here] > 0.0
                    for k in range(n_measures):
                        if totals[k, t] > upper[k, t] or totals[k, t] < lower[k, t]:
                            broken = True
                if broken:
                    for e in range(start[i], start[i + 1]):
                        if e == here:
                            continue
                        j = head[territory[e]]
                        while j >= 0:
                            work -= start[j + 1] - start[j]
                            back = -1
                            for f in range(start[j], start[j + 1]):
                                if territory[f] == territory[here]:
                                    back = f
                                    break
                            if back >= 0:
                                delta = cost[e] - cost[here] + cost[back] - cost[pair[j]]
                                # From inside the limits a swap that costs more is no use, unless it nears a target.
                                if delta < best_delta or swaps == 1 or soft.shape[0] > 0 or budget[0] > budget[1]:
                                    delta += swap_delta(
                                        here,
                                        e,
                                        pair[j],
                                        back,
                                        territory,
                                        load,
                                        totals,
                                        lower,
                                        upper,
                                        penalty,
                                        soft,
                                        aims,
                                        moved,
                                        budget,
                                    )
                                    if delta < best_delta:
                                        best, best_delta, partner, partner_to = e, delta, j, back
                            j = following[j]
            if best != here:
                improved = True
                mover = i
                target = best
                while mover >= 0:
                    a, b = territory[pair[mover]], territory[target]
                    apply(pair[mover], target, territory, load, totals, moved, budget)
                    unlink(mover, a, head, following, previous)
                    link(mover, b, head, following, previous)
                    pair[mover] = target
                    if partner >= 0:
                        mover, target, partner = partner, partner_to, -1
                    else:
                        mover = -1
            if work <= 0:
                break
    return work
