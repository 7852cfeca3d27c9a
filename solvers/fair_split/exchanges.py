"""Even out counts by passing leads on from column to column, until no path of exchanges helps.

Column r's k-th lead costs ``first_r + k·rise_r`` with a rise of 0 or more, and every pair is as good as any other. The
counts that leads can be sent by form an M-convex set, on which a separable convex cost is least where no path of exchanges
lowers it. The paths start at the dearest last lead; where none helps, everything that can be reached from there is settled
for good, because a later path through it would have ended in it. So the search is over after as many breadth-first
searches as there are moves and columns, and its layers are the prices.

Source: Murota 2003, "Discrete Convex Analysis", theorem 6.26 (local optimality of M-convex functions); Frank & Murota
2022, "Decreasing minimization on M-convex sets".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.fair_split.membership import FAR, link, pair_at, unlink

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def spread(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    order: NDArray[np.int64],
    first: NDArray[np.int64],
    rise: NDArray[np.int64],
    most: NDArray[np.int64],
    count: NDArray[np.int64],
    own: NDArray[np.int64],
) -> int:
    """Give each lead of ``order`` to its column of least next cost with room; return how many found none.

    ``count`` holds what the other leads take, and is changed with ``own``; who finds no room keeps −1.
    """
    left = 0
    for i in order:
        best, least = -1, FAR
        for q in range(start[i], start[i + 1]):
            r = col[q]
            if count[r] < most[r]:
                cost = first[r] + (count[r] + 1) * rise[r]
                if cost < least:
                    best, least = q, cost
        own[i] = best
        if best >= 0:
            count[col[best]] += 1
        else:
            left += 1
    return left


@njit(cache=True, nogil=True)
def even_out(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    first: NDArray[np.int64],
    rise: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int]:
    """Make Σ over leads of ``first + k·rise`` least, counts kept within ``least`` and ``most``.

    Parameters
    ----------
    start, col : ndarray
        Pairs as in ``transport.send``.
    first, rise : ndarray of int64, shape (m,)
    least, most : ndarray of int64, shape (m,)
    own : ndarray of int64, shape (n,)
        The pair of each lead, within the counts; changed in place.

    Returns
    -------
    price : ndarray of int64, shape (m,)
        Every lead is in a column of least price among its own. Above its least a column's last lead costs at most,
        below its most its next would cost at least, its price.
    moves : int
        Leads passed on.
    """
    n, m = len(own), len(first)
    head, after, before = np.full(m, -1), np.full(n, -1), np.full(n, -1)
    count, movable = np.zeros(m, np.int64), np.zeros((m, m), np.int32)
    for i in range(n - 1, -1, -1):
        r = col[own[i]]
        count[r] += 1
        link(i, r, head, after, before)
        for q in range(start[i], start[i + 1]):
            movable[r, col[q]] += 1
    price, settled = np.zeros(m, np.int64), np.zeros(m, np.bool_)
    came, queue = np.empty(m, np.int64), np.empty(m, np.int64)
    moves = 0
    while True:
        source, dearest = -1, -FAR
        for r in range(m):
            if not settled[r] and count[r] > least[r] and first[r] + count[r] * rise[r] > dearest:
                source, dearest = r, first[r] + count[r] * rise[r]
        if source < 0:
            break
        came[:] = -2
        came[source], queue[0] = -1, source
        ends, target, cheapest = 1, -1, dearest
        at = 0
        while at < ends:
            r = queue[at]
            at += 1
            for s in range(m):
                if movable[r, s] > 0 and came[s] == -2 and not settled[s]:
                    came[s] = r
                    queue[ends] = s
                    ends += 1
                    if count[s] < most[s] and first[s] + (count[s] + 1) * rise[s] < cheapest:
                        target, cheapest = s, first[s] + (count[s] + 1) * rise[s]
        if target < 0:
            for at in range(ends):
                settled[queue[at]] = True
                price[queue[at]] = dearest
            continue
        amount = min(count[source] - least[source], most[target] - count[target])
        s = target
        while came[s] >= 0:
            amount = min(amount, np.int64(movable[came[s], s]))
            s = came[s]
        useful = 1
        while (
            useful < amount
            and first[target] + (count[target] + useful + 1) * rise[target]
            < first[source] + (count[source] - useful) * rise[source]
        ):
            useful += 1
        amount = useful
        s = target
        while came[s] >= 0:
            r = came[s]
            i, moved = head[r], 0
            while moved < amount:
                following = after[i]
                q = pair_at(start, col, i, s)
                if q >= 0:
                    unlink(i, r, head, after, before)
                    link(i, s, head, after, before)
                    own[i] = q
                    moved += 1
                    for t in range(start[i], start[i + 1]):
                        movable[r, col[t]] -= 1
                        movable[s, col[t]] += 1
                i = following
            moves += amount
            s = r
        count[source] -= amount
        count[target] += amount
    # What is left is out of reach for every lead that could leave. An empty column costs what its first lead would; those
    # held at their least exchange leads only among themselves, and have the lowest price of all.
    lowest = FAR
    for r in range(m):
        if not settled[r] and count[r] < most[r]:
            lowest = min(lowest, first[r] + (count[r] + 1) * rise[r])
            if count[r] == 0:
                price[r] = first[r] + rise[r]
                settled[r] = True
        if settled[r]:
            lowest = min(lowest, price[r])
    for r in range(m):
        if not settled[r]:
            price[r] = lowest if lowest < FAR else 0
    return price, moves
