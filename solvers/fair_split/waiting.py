"""Where leads must wait and it makes no other difference which, the later ones do.

Which sets of leads can be served is a matroid: a set is the latest when no exchange of one lead that waits for a later one
that does not is possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.fair_split.transport import link, pair_at, unlink

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def let_later_wait(start: NDArray[np.int64], col: NDArray[np.int32], m: int, waits: int, own: NDArray[np.int64]) -> int:
    """Exchange leads in column ``waits`` for later ones along pairs that are all as good; return how many.

    Parameters
    ----------
    start, col : ndarray
        Pairs as in ``transport.send``.
    m : int
        Number of columns.
    waits : int
        The column that stands for staying unassigned.
    own : ndarray of int64, shape (n,)
        Changed in place; no count changes.
    """
    n = len(own)
    head, after, before = np.full(m, -1), np.full(n, -1), np.full(n, -1)
    movable = np.zeros((m, m), np.int32)
    some = False
    for i in range(n):
        r = col[own[i]]
        some = some or r == waits
        link(i, r, head, after, before)
        for q in range(start[i], start[i + 1]):
            movable[r, col[q]] += 1
    swaps = 0
    # Who can wait at most: the latest lead that each column can release, directly or by passing leads on.
    latest, onward, queue = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    release = np.empty(m, np.int64)
    while some:
        release[:] = -1
        for r in range(m):
            if r != waits and movable[r, waits] > 0:
                i = head[r]
                while i >= 0:
                    if i > release[r] and pair_at(start, col, i, waits) >= 0:
                        release[r] = i
                    i = after[i]
        latest[:] = -1
        while True:
            top = -1
            for r in range(m):
                if latest[r] < 0 and release[r] >= 0 and (top < 0 or release[r] > release[top]):
                    top = r
            if top < 0:
                break
            latest[top], onward[top], queue[0] = release[top], -1, top
            at, ends = 0, 1
            while at < ends:
                s = queue[at]
                at += 1
                for r in range(m):
                    if r != waits and latest[r] < 0 and movable[r, s] > 0:
                        latest[r], onward[r] = release[top], s
                        queue[ends] = r
                        ends += 1
        # The earliest lead that waits and need not.
        best, into = -1, -1
        i = head[waits]
        while i >= 0:
            if best < 0 or i < best:
                for q in range(start[i], start[i + 1]):
                    if col[q] != waits and latest[col[q]] > i:
                        best, into = i, q
            i = after[i]
        if best < 0:
            break
        moving, r, q = best, waits, into
        while True:
            unlink(moving, r, head, after, before)
            for t in range(start[moving], start[moving + 1]):
                movable[r, col[t]] -= 1
            s = col[q]
            # Whom the column sends on in exchange, chosen before the newcomer is among its leads.
            following, next_q = -1, -1
            if s != waits:
                to = onward[s] if onward[s] >= 0 else waits
                i = head[s]
                while i >= 0:
                    p = pair_at(start, col, i, to)
                    if p >= 0 and (to != waits or i > following):
                        following, next_q = i, p
                        if to != waits:
                            break
                    i = after[i]
            own[moving] = q
            link(moving, s, head, after, before)
            for t in range(start[moving], start[moving + 1]):
                movable[s, col[t]] += 1
            if s == waits:
                break
            moving, r, q = following, s, next_q
        swaps += 1
    return swaps
