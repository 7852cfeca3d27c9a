"""Fast local search over whole units: shift one, swap two, relay along a chain of territories.

Works on the candidates with limits as penalties, so it serves twice: from an assignment that breaks limits it repairs,
from one that keeps them it improves and never breaks one (the penalty then outweighs any saving). Soft targets are
penalties too, of their own price on either side.

Source: shift and swap are the classical moves for generalized assignment (Osman 1995); relays are ejection chains
found as shortest paths on the graph of territories (Ahuja, Orlin & Sharma 2003, cyclic and path exchanges).
It stops at a local optimum; the exact neighbourhoods take over from there.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NOT_COUNTED: NDArray[np.float64] = np.empty(0)
UNLIMITED: NDArray[np.float64] = np.array([0.0, np.inf, 0.0])
"""``moved`` and ``budget`` where any amount may change hands."""


@njit(cache=True)
def _over(load: float, lower: float, upper: float) -> float:
    """Return by how much a load is outside its limits."""
    if load > upper:
        return load - upper
    if load < lower:
        return lower - load
    return 0.0


@njit(cache=True)
def _off(load: float, s: int, t: int, aims: NDArray[np.float64]) -> float:
    """Return what a load costs for being off the target of the ``s``-th soft measure."""
    over: float = load - aims[0, s, t]
    price: float = aims[1, s, t] if over > 0.0 else -aims[2, s, t]
    return price * over


@njit(cache=True)
def _overspent(change: float, budget: NDArray[np.float64]) -> float:
    """Return what a change of the amount that changes hands adds to the penalty for more of it than allowed."""
    more: float = max(0.0, budget[0] + change - budget[1]) - max(0.0, budget[0] - budget[1])
    dear: float = budget[2] * more
    return dear


@njit(cache=True)
def _shift_delta(
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
        after = _over(totals[k, a] - load[k, e_from], lower[k, a], upper[k, a])
        delta += penalty[k, a] * (after - _over(totals[k, a], lower[k, a], upper[k, a]))
        after = _over(totals[k, b] + load[k, e_to], lower[k, b], upper[k, b])
        delta += penalty[k, b] * (after - _over(totals[k, b], lower[k, b], upper[k, b]))
    for s in range(soft.shape[0]):
        k = soft[s]
        delta += _off(totals[k, a] - load[k, e_from], s, a, aims) - _off(totals[k, a], s, a, aims)
        delta += _off(totals[k, b] + load[k, e_to], s, b, aims) - _off(totals[k, b], s, b, aims)
    if moved.shape[0] > 0:
        delta += _overspent(moved[e_to] - moved[e_from], budget)
    return delta


@njit(cache=True)
def _swap_delta(
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
        after = _over(totals[k, a] - load[k, i_from] + load[k, j_to], lower[k, a], upper[k, a])
        delta += penalty[k, a] * (after - _over(totals[k, a], lower[k, a], upper[k, a]))
        after = _over(totals[k, b] - load[k, j_from] + load[k, i_to], lower[k, b], upper[k, b])
        delta += penalty[k, b] * (after - _over(totals[k, b], lower[k, b], upper[k, b]))
    for s in range(soft.shape[0]):
        k = soft[s]
        delta += _off(totals[k, a] - load[k, i_from] + load[k, j_to], s, a, aims) - _off(totals[k, a], s, a, aims)
        delta += _off(totals[k, b] - load[k, j_from] + load[k, i_to], s, b, aims) - _off(totals[k, b], s, b, aims)
    if moved.shape[0] > 0:
        delta += _overspent(moved[i_to] - moved[i_from] + moved[j_to] - moved[j_from], budget)
    return delta


@njit(cache=True)
def _apply(
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
def _link(i: int, t: int, head: NDArray[np.int64], following: NDArray[np.int64], previous: NDArray[np.int64]) -> None:
    """Put unit ``i`` first in the list of territory ``t``'s members."""
    previous[i] = -1
    following[i] = head[t]
    if head[t] >= 0:
        previous[head[t]] = i
    head[t] = i


@njit(cache=True)
def _unlink(i: int, t: int, head: NDArray[np.int64], following: NDArray[np.int64], previous: NDArray[np.int64]) -> None:
    """Take unit ``i`` out of the list of territory ``t``'s members."""
    if previous[i] >= 0:
        following[previous[i]] = following[i]
    else:
        head[t] = following[i]
    if following[i] >= 0:
        previous[following[i]] = previous[i]


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
        _link(i, territory[pair[i]], head, following, previous)
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
                delta += _shift_delta(
                    here, e, territory, load, totals, lower, upper, penalty, soft, aims, moved, budget
                )
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
                                    delta += _swap_delta(
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
                    _apply(pair[mover], target, territory, load, totals, moved, budget)
                    _unlink(mover, a, head, following, previous)
                    _link(mover, b, head, following, previous)
                    pair[mover] = target
                    if partner >= 0:
                        mover, target, partner = partner, partner_to, -1
                    else:
                        mover = -1
            if work <= 0:
                break
    return work


@njit(cache=True)
def _refresh_edges(
    i: int,
    measure: int,
    start: NDArray[np.int64],
    territory: NDArray[np.int32],
    cost: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    penalty: NDArray[np.float64],
    soft: NDArray[np.int64],
    aims: NDArray[np.float64],
    pair: NDArray[np.int64],
    totals: NDArray[np.float64],
    moved: NDArray[np.float64],
    budget: NDArray[np.float64],
    edge_cost: NDArray[np.float64],
    edge_pair: NDArray[np.int64],
) -> None:
    """Offer unit ``i`` for the hand-overs out of its territory: its cost, and what it does to the other measures."""
    here = pair[i]
    a = territory[here]
    for e in range(start[i], start[i + 1]):
        if e == here or load[measure, e] <= 0.0:
            continue
        b = territory[e]
        delta = cost[e] - cost[here]
        for k in range(totals.shape[0]):
            if k != measure:
                after = _over(totals[k, a] - load[k, here], lower[k, a], upper[k, a])
                delta += penalty[k, a] * (after - _over(totals[k, a], lower[k, a], upper[k, a]))
                after = _over(totals[k, b] + load[k, e], lower[k, b], upper[k, b])
                delta += penalty[k, b] * (after - _over(totals[k, b], lower[k, b], upper[k, b]))
        for s in range(soft.shape[0]):
            k = soft[s]
            if k != measure:
                delta += _off(totals[k, a] - load[k, here], s, a, aims) - _off(totals[k, a], s, a, aims)
                delta += _off(totals[k, b] + load[k, e], s, b, aims) - _off(totals[k, b], s, b, aims)
        if moved.shape[0] > 0:
            delta += _overspent(moved[e] - moved[here], budget)
        if delta < edge_cost[a, b]:
            edge_cost[a, b] = delta
            edge_pair[a, b] = e


@njit(cache=True)
def relay(
    start: NDArray[np.int64],
    territory: NDArray[np.int32],
    cost: NDArray[np.float64],
    load: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    penalty: NDArray[np.float64],
    soft: NDArray[np.int64],
    aims: NDArray[np.float64],
    measure: int,
    pair: NDArray[np.int64],
    totals: NDArray[np.float64],
    moved: NDArray[np.float64],
    budget: NDArray[np.float64],
    tries: int,
) -> int:
    """Hand units along shortest chains of territories from where there is too much to where there is room.

    One chain at a time, each the cheapest on the graph of territories whose edges are the cheapest hand-overs; a chain
    that does not lower cost plus penalties is undone and its source left alone. ``pair`` and ``totals`` change in place.
    Parameters as for :func:`descend`; ``measure`` is the one whose limits are to be mended.

    Returns
    -------
    int
        Chains applied.
    """
    n = start.shape[0] - 1
    n_measures, m = totals.shape
    unit_of = np.empty(territory.shape[0], np.int64)
    for i in range(n):
        for e in range(start[i], start[i + 1]):
            unit_of[e] = i
    edge_cost = np.full((m, m), np.inf)
    edge_pair = np.full((m, m), -1, np.int64)
    for i in range(n):
        _refresh_edges(
            i,
            measure,
            start,
            territory,
            cost,
            load,
            lower,
            upper,
            penalty,
            soft,
            aims,
            pair,
            totals,
            moved,
            budget,
            edge_cost,
            edge_pair,
        )
    # Linked lists of each territory's members: a chain refreshes only the rows of the territories it touches.
    head = np.full(m, -1, np.int64)
    following = np.full(n, -1, np.int64)
    previous = np.full(n, -1, np.int64)
    for i in range(n - 1, -1, -1):
        _link(i, territory[pair[i]], head, following, previous)
    given_up = np.zeros(m, np.bool_)
    applied = 0
    chain = np.empty(m, np.int64)
    for _ in range(tries):
        # The worst territory still worth trying; a shortage is an excess seen from the other end.
        worst, worst_over = -1, 0.0
        for t in range(m):
            if not given_up[t]:
                over = _over(totals[measure, t], lower[measure, t], upper[measure, t])
                if over > worst_over:
                    worst, worst_over = t, over
        if worst < 0:
            break
        sending = totals[measure, worst] > upper[measure, worst]
        # Dijkstra over territories, forwards from an excess, backwards from a shortage. Hand-over costs may be
        # negative away from a local optimum: they are cut to 0 for the search, and judged exactly afterwards.
        distance = np.full(m, np.inf)
        parent = np.full(m, -1, np.int64)
        done = np.zeros(m, np.bool_)
        distance[worst] = 0.0
        end = -1
        while True:
            t = -1
            for s in range(m):
                if not done[s] and distance[s] < np.inf and (t < 0 or distance[s] < distance[t]):
                    t = s
            if t < 0:
                break
            done[t] = True
            if t != worst:
                room = totals[measure, t] < upper[measure, t] if sending else totals[measure, t] > lower[measure, t]
                if room:
                    step = edge_pair[parent[t], t] if sending else edge_pair[t, parent[t]]
                    amount = load[measure, step]
                    after = totals[measure, t] + (amount if sending else -amount)
                    if _over(after, lower[measure, t], upper[measure, t]) < worst_over:
                        end = t
                        break
            for s in range(m):
                if not done[s]:
                    length = edge_cost[t, s] if sending else edge_cost[s, t]
                    if length < np.inf:
                        length = distance[t] + max(0.0, length)
                        if length < distance[s]:
                            distance[s] = length
                            parent[s] = t
        if end < 0:
            given_up[worst] = True
            continue
        # Apply the chain from its end and measure what it does.
        before = budget[2] * max(0.0, budget[0] - budget[1])
        for t in range(m):
            for k in range(n_measures):
                before += penalty[k, t] * _over(totals[k, t], lower[k, t], upper[k, t])
            for s in range(soft.shape[0]):
                before += _off(totals[soft[s], t], s, t, aims)
        length = 0
        t = end
        delta = 0.0
        while t != worst:
            step = edge_pair[parent[t], t] if sending else edge_pair[t, parent[t]]
            i = unit_of[step]
            delta += cost[step] - cost[pair[i]]
            _apply(pair[i], step, territory, load, totals, moved, budget)
            chain[length] = pair[i]
            length += 1
            pair[i] = step
            t = parent[t]
        after = budget[2] * max(0.0, budget[0] - budget[1])
        for t in range(m):
            for k in range(n_measures):
                after += penalty[k, t] * _over(totals[k, t], lower[k, t], upper[k, t])
            for s in range(soft.shape[0]):
                after += _off(totals[soft[s], t], s, t, aims)
        if delta + after - before < -1e-9:
            applied += 1
            for q in range(length):
                i = unit_of[chain[q]]
                _unlink(i, territory[chain[q]], head, following, previous)
                _link(i, territory[pair[i]], head, following, previous)
            t = end
            while True:
                edge_cost[t, :] = np.inf
                edge_pair[t, :] = -1
                i = head[t]
                while i >= 0:
                    _refresh_edges(
                        i,
                        measure,
                        start,
                        territory,
                        cost,
                        load,
                        lower,
                        upper,
                        penalty,
                        soft,
                        aims,
                        pair,
                        totals,
                        moved,
                        budget,
                        edge_cost,
                        edge_pair,
                    )
                    i = following[i]
                if t == worst:
                    break
                t = parent[t]
        else:
            for q in range(length - 1, -1, -1):
                i = unit_of[chain[q]]
                _apply(pair[i], chain[q], territory, load, totals, moved, budget)
                pair[i] = chain[q]
            given_up[worst] = True
    return applied
