"""Send leads to columns at least cost where every column takes between its least and its most: exact, and compiled.

Columns are reps, and perhaps one more for leads that stay unassigned. Leads are many and alike in kind, columns are few:
so shortest paths are sought among the columns alone, where the arc r → s is the cheapest change of a lead now at r to s.
From any prices every lead goes to its cheapest column; what is then too much in one column moves along shortest paths of
reduced costs to where there is too little, and the prices follow, so that they prove the end. All numbers are whole.

The better the prices at the start, the less is left to move: of a large batch a quarter is solved first.

Source: Ahuja, Magnanti & Orlin 1993, "Network Flows", section 9.7 (successive shortest paths from a pseudoflow) and
theorem 9.4 (complementary slackness); section 12.4 for the assignment problem.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.fair_split.exchanges import even_out
from solvers.fair_split.membership import FAR, link, pair_at, unlink

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLED_FROM = 4_000
"""Batches of more leads get their first prices from a quarter of them."""

SAMPLE = 4
PHASES, COARSE, ENOUGH = 20, 1.2, 500
"""Where leads have more than ``COARSE`` cheapest pairs, prices are raised all at once as long as one in ``ENOUGH`` leads is
too much somewhere, at most ``PHASES`` times; then path by path."""

SCATTER = 2_654_435_761
"""Multiplier that scatters row numbers over 32 bits (Knuth): a sample must not follow the order of the file."""


@njit(cache=True, nogil=True)
def cheapest_pairs(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    cost: NDArray[np.int64],
    price: NDArray[np.int64],
    own: NDArray[np.int64],
) -> None:
    """Put every lead on its pair of least ``cost + price``: where it is, if that is as good, else the first such."""
    for i in range(len(own)):
        best, least = own[i], FAR
        if best >= 0:
            least = cost[best] + price[col[best]]
        for q in range(start[i], start[i + 1]):
            reduced = cost[q] + price[col[q]]
            if reduced < least:
                best, least = q, reduced
        own[i] = best


@njit(cache=True, nogil=True)
def _fresh_row(
    r: int,
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    cost: NDArray[np.int64],
    own: NDArray[np.int64],
    head: NDArray[np.int64],
    after: NDArray[np.int64],
    edge: NDArray[np.int64],
    via: NDArray[np.int64],
) -> None:
    edge[r, :] = FAR
    i = head[r]
    while i >= 0:
        base = cost[own[i]]
        for q in range(start[i], start[i + 1]):
            change = cost[q] - base
            if change < edge[r, col[q]]:
                edge[r, col[q]] = change
                via[r, col[q]] = q
        i = after[i]


@njit(cache=True, nogil=True)
def _imbalance(
    col: NDArray[np.int32],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
    price: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what flows from each column into the pool, at its best for the prices, and what is too much at each node."""
    m = len(least)
    flow, excess = np.empty(m, np.int64), np.zeros(m + 1, np.int64)
    for q in own:
        excess[col[q]] += 1
    for r in range(m):
        if price[r] > price[m]:
            flow[r] = most[r]
        elif price[r] < price[m]:
            flow[r] = least[r]
        else:
            flow[r] = min(max(excess[r], least[r]), most[r])
        excess[r] -= flow[r]
        excess[m] += flow[r]
    excess[m] -= len(own)
    return flow, excess


@njit(cache=True, nogil=True)
def _nearest(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    cost: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
    price: NDArray[np.int64],
    head: NDArray[np.int64],
    after: NDArray[np.int64],
    flow: NDArray[np.int64],
    excess: NDArray[np.int64],
    edge: NDArray[np.int64],
    via: NDArray[np.int64],
    stale: NDArray[np.bool_],
    distance: NDArray[np.int64],
    done: NDArray[np.bool_],
    came: NDArray[np.int64],
) -> int:
    """Return the nearest node with too little, or −1, and raise the prices of all that are nearer (Dijkstra).

    ``distance`` is 0 at the sources and ``FAR`` elsewhere; ``came`` leads back.
    """
    m = len(least)
    target = -1
    done[:] = False
    while True:
        r, near = -1, FAR
        for s in range(m + 1):
            if not done[s] and distance[s] < near:
                r, near = s, distance[s]
        if r < 0:
            return -1
        done[r] = True
        if excess[r] < 0:
            target = r
            break
        base = near - price[r]
        if r == m:
            for s in range(m):
                if not done[s] and flow[s] > least[s] and base + price[s] < distance[s]:
                    distance[s], came[s] = base + price[s], m
            continue
        if stale[r]:
            _fresh_row(r, start, col, cost, own, head, after, edge, via)
            stale[r] = False
        for s in range(m):
            if not done[s] and edge[r, s] < FAR:
                reach = base + edge[r, s] + price[s]
                if reach < distance[s]:
                    distance[s], came[s] = reach, r
        if not done[m] and flow[r] < most[r] and base + price[m] < distance[m]:
            distance[m], came[m] = base + price[m], r
    end = distance[target]
    for s in range(m + 1):
        if distance[s] < end:
            price[s] += end - distance[s]
    return target


@njit(cache=True, nogil=True)
def _raise_prices(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    cost: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
    price: NDArray[np.int64],
    enough: int,
) -> bool:
    """Raise the prices of all that has too much until something is near; False where no more than ``enough`` is too much."""
    n, m = len(own), len(least)
    flow, excess = _imbalance(col, least, most, own, price)
    if excess[excess > 0].sum() <= enough:
        return False
    head, after, before = np.full(m, -1), np.full(n, -1), np.full(n, -1)
    for i in range(n):
        link(i, col[own[i]], head, after, before)
    edge, via, stale = np.empty((m, m), np.int64), np.empty((m, m), np.int64), np.ones(m, np.bool_)
    distance, done, came = np.where(excess > 0, np.int64(0), FAR), np.empty(m + 1, np.bool_), np.full(m + 1, -1)
    found = _nearest(
        start, col, cost, least, most, own, price, head, after, flow, excess, edge, via, stale, distance, done, came
    )
    return bool(found >= 0)


@njit(cache=True, nogil=True)
def _settle(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    lead: NDArray[np.int32],
    cost: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
    price: NDArray[np.int64],
    forgiving: bool,
) -> int:
    """Move what is too much to where is too little; return the number of paths, or −1 where there is no way.

    ``own`` (each lead on a pair of least ``cost + price``) and ``price`` (``m + 1`` entries, the last for the pool that
    every column's count flows into) are changed in place. ``forgiving`` leaves what has no way where it is.
    """
    n, m = len(own), len(least)
    head, after, before = np.full(m, -1), np.full(n, -1), np.full(n, -1)
    # The latest leads are first on the lists, so that they are the first to wait where it makes no other difference.
    for i in range(n):
        link(i, col[own[i]], head, after, before)
    flow, excess = _imbalance(col, least, most, own, price)
    edge, via = np.empty((m, m), np.int64), np.empty((m, m), np.int64)
    stale = np.ones(m, np.bool_)
    distance, done, came = np.empty(m + 1, np.int64), np.empty(m + 1, np.bool_), np.empty(m + 1, np.int64)
    paths = 0
    for source in range(m + 1):
        while excess[source] > 0:
            distance[:] = FAR
            distance[source], came[source] = 0, -1
            target = _nearest(
                start, col, cost, least, most, own, price, head, after, flow, excess, edge, via, stale, distance, done, came
            )  # fmt: skip
            if target < 0:
                if not forgiving:
                    return -1
                excess[source] = 0
                break
            # How many may go the same way at the same cost.
            amount = min(excess[source], -excess[target])
            s = target
            while amount > 1 and came[s] >= 0:
                r = came[s]
                if r == m:
                    amount = min(amount, flow[s] - least[s])
                elif s == m:
                    amount = min(amount, most[r] - flow[r])
                else:
                    alike, i = 0, head[r]
                    while i >= 0 and alike < amount:
                        q = pair_at(start, col, i, s)
                        if q >= 0 and cost[q] - cost[own[i]] == edge[r, s]:
                            alike += 1
                        i = after[i]
                    amount = alike
                s = r
            # From the end backwards: no lead moves twice.
            s = target
            while came[s] >= 0:
                r = came[s]
                if r == m:
                    flow[s] -= amount
                elif s == m:
                    flow[r] += amount
                else:
                    moved, i, change = 0, head[r], edge[r, s]
                    if amount == 1:
                        i = lead[via[r, s]]
                    while moved < amount:
                        following = after[i]
                        q = pair_at(start, col, i, s)
                        if q >= 0 and cost[q] - cost[own[i]] == change:
                            unlink(i, r, head, after, before)
                            link(i, s, head, after, before)
                            own[i] = q
                            moved += 1
                            if not stale[s]:
                                for t in range(start[i], start[i + 1]):
                                    if cost[t] - cost[q] < edge[s, col[t]]:
                                        edge[s, col[t]] = cost[t] - cost[q]
                                        via[s, col[t]] = t
                        i = following
                    stale[r] = True
                s = r
            excess[source] -= amount
            excess[target] += amount
            paths += 1
    return paths


def send(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    cost: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
    price: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cheapest way to send every lead to one of its columns, and the prices that prove it.

    Parameters
    ----------
    start : ndarray of int64, shape (n + 1,)
        Pairs of lead i are ``start[i]:start[i + 1]``; every lead has one.
    col : ndarray of int32, shape (n_pairs,)
        Ascending within a lead.
    cost : ndarray of int64, shape (n_pairs,)
    least, most : ndarray of int64, shape (m,)
        What each column takes; there must be a way to keep both.
    own : ndarray of int64, shape (n,)
        A pair for each lead, kept where it is among the cheapest at the first prices; −1: none.
    price : ndarray of int64, shape (m,), optional
        Prices to start from.

    Returns
    -------
    own : ndarray of int64, shape (n,)
        The pair of each lead: of its pairs the least ``cost + price``.
    price : ndarray of int64, shape (m,)
        Above 0 only where the count is ``most``, below 0 only where it is ``least``.
    """
    m = len(least)
    lead = np.repeat(np.arange(len(start) - 1, dtype=np.int32), np.diff(start))
    own, prices = own.copy(), np.zeros(m + 1, np.int64) if price is None else np.append(price, 0)
    cheapest_pairs(start, col, cost, prices, own)
    count = np.bincount(col[own], minlength=m)
    if np.any((count < least) | (count > most)):
        if price is None and len(own) > SAMPLED_FROM:
            prices[:m] = _first_prices(start, col, lead, cost, least, most)
            cheapest_pairs(start, col, cost, prices, own)
        own = _spread_over_ties(start, col, lead, cost, least, most, own, prices)
    if _settle(start, col, lead, cost, least, most, own, prices, False) < 0:
        raise ValueError("least and most: no way to send every lead keeps them; they must come from a split that does")
    return own, prices[:m] - prices[m]


def _first_prices(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    lead: NDArray[np.int32],
    cost: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the prices of a quarter of the leads, found in the same way; zeros for small batches."""
    n, m = len(start) - 1, len(least)
    if n <= SAMPLED_FROM:
        return np.zeros(m, np.int64)
    chosen = (np.arange(n, dtype=np.uint64) * np.uint64(SCATTER)) % np.uint64(2**32) < np.uint64(2**32 // SAMPLE)
    kept = chosen[lead]
    length = np.diff(start)[chosen]
    sub_start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    sub_lead = np.repeat(np.arange(len(length), dtype=np.int32), length)
    bounds = least // SAMPLE, -(-most // SAMPLE)
    prices = np.append(_first_prices(sub_start, col[kept], sub_lead, cost[kept], *bounds), 0)
    own = np.full(len(length), -1)
    cheapest_pairs(sub_start, col[kept], cost[kept], prices, own)
    own = _spread_over_ties(sub_start, col[kept], sub_lead, cost[kept], *bounds, own, prices)
    _settle(sub_start, col[kept], sub_lead, cost[kept], *bounds, own, prices, True)
    first: NDArray[np.int64] = prices[:m] - prices[m]
    return first


def _spread_over_ties(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    lead: NDArray[np.int32],
    cost: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
    price: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return cheapest pairs, of those that tie such that least is too much anywhere: coarse costs tie by the thousand.

    While much is left over, ``price`` is raised in place to where more ties.
    """
    for phase in range(PHASES):
        reduced = cost + price[col]
        tight = np.flatnonzero(reduced == reduced[own][lead])
        if len(tight) > len(own):
            place, at = np.searchsorted(tight, start), np.searchsorted(tight, own)
            # From where is too much to where is room: nothing else may have less, or more, than it has.
            count = np.bincount(col[own], minlength=len(most))
            aim = np.where(price[:-1] < price[-1], least, most)
            bounds = np.minimum(count, aim), np.maximum(count, aim)
            even_out(place, col[tight], -aim, np.ones_like(aim), *bounds, at)
            own = tight[at]
        fine = phase and len(tight) <= COARSE * len(own)
        if fine or not _raise_prices(start, col, cost, least, most, own, price, len(own) // ENOUGH):
            break
    return own
