"""Relays: units handed on along a chain of territories, from where there is too much to where there is room.

Source: ejection chains found as shortest paths on the graph of territories (Ahuja, Orlin & Sharma 2003, cyclic and path
exchanges).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from solvers.move_effects import apply, breach, deviation_cost, link, overspent_delta, unlink


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
                after = breach(totals[k, a] - load[k, here], lower[k, a], upper[k, a])
                delta += penalty[k, a] * (after - breach(totals[k, a], lower[k, a], upper[k, a]))
                after = breach(totals[k, b] + load[k, e], lower[k, b], upper[k, b])
                delta += penalty[k, b] * (after - breach(totals[k, b], lower[k, b], upper[k, b]))
        for s in range(soft.shape[0]):
            k = soft[s]
            if k != measure:
                delta += deviation_cost(totals[k, a] - load[k, here], s, a, aims) - deviation_cost(
                    totals[k, a], s, a, aims
                )
                delta += deviation_cost(totals[k, b] + load[k, e], s, b, aims) - deviation_cost(
                    totals[k, b], s, b, aims
                )
        if moved.shape[0] > 0:
            delta += overspent_delta(moved[e] - moved[here], budget)
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
    Parameters as for :func:`solvers.moves.descend`; ``measure`` is the one whose limits are to be mended.

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
        link(i, territory[pair[i]], head, following, previous)
    given_up = np.zeros(m, np.bool_)
    applied = 0
    chain = np.empty(m, np.int64)
    for _ in range(tries):
        # The worst territory still worth trying; a shortage is an excess seen from the other end.
        worst, worst_over = -1, 0.0
        for t in range(m):
            if not given_up[t]:
                over = breach(totals[measure, t], lower[measure, t], upper[measure, t])
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
                    if breach(after, lower[measure, t], upper[measure, t]) < worst_over:
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
                before += penalty[k, t] * breach(totals[k, t], lower[k, t], upper[k, t])
            for s in range(soft.shape[0]):
                before += deviation_cost(totals[soft[s], t], s, t, aims)
        length = 0
        t = end
        delta = 0.0
        while t != worst:
            step = edge_pair[parent[t], t] if sending else edge_pair[t, parent[t]]
            i = unit_of[step]
            delta += cost[step] - cost[pair[i]]
            apply(pair[i], step, territory, load, totals, moved, budget)
            chain[length] = pair[i]
            length += 1
            pair[i] = step
            t = parent[t]
        after = budget[2] * max(0.0, budget[0] - budget[1])
        for t in range(m):
            for k in range(n_measures):
                after += penalty[k, t] * breach(totals[k, t], lower[k, t], upper[k, t])
            for s in range(soft.shape[0]):
                after += deviation_cost(totals[soft[s], t], s, t, aims)
        if delta + after - before < -1e-9:
            applied += 1
            for q in range(length):
                i = unit_of[chain[q]]
                unlink(i, territory[chain[q]], head, following, previous)
                link(i, territory[pair[i]], head, following, previous)
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
                apply(pair[i], chain[q], territory, load, totals, moved, budget)
                pair[i] = chain[q]
            given_up[worst] = True
    return applied
