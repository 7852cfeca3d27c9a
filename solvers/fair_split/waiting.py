"""Where leads must wait and it makes no other difference which, the later ones do.

Which sets of leads can be served is a matroid: a set is the latest when no exchange of one lead that waits for a later one
that does not is possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.fair_split.membership import link, pair_at, unlink

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
    for i in range(n):
        r = col[own[i]]
        link(i, r, head, after, before)
        for q in range(start[i], start[i + 1]):
            movable[r, col[q]] += 1
    # The latest lead in each column that could wait itself; −2: to be looked up again.
    release = np.full(m, -2)
    # The latest that each column can do without, directly or by passing leads on, and where to pass them on.
    latest, onward, queue = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    swaps, known = 0, False
    # From the earliest on: what is not worth an exchange once never is later (its circuit holds no later lead).
    for waiting in range(n):
        if col[own[waiting]] != waits:
            continue
        if not known:
            _label(start, col, waits, movable, head, after, release, latest, onward, queue)
            known = True
        into = -1
        for q in range(start[waiting], start[waiting + 1]):
            if col[q] != waits and latest[col[q]] > waiting:
                into = q
                break
        if into < 0:
            continue
        moving, r, q = waiting, waits, into
        while True:
            unlink(moving, r, head, after, before)
            for t in range(start[moving], start[moving + 1]):
                movable[r, col[t]] -= 1
            s = col[q]
            # Whom the column sends on in exchange, chosen before the newcomer is among its leads.
            following, next_q = -1, -1
            if s != waits and onward[s] < 0:
                following = release[s]
                next_q = pair_at(start, col, following, waits)
            elif s != waits:
                following = head[s]
                next_q = pair_at(start, col, following, onward[s])
                while next_q < 0:
                    following = after[following]
                    next_q = pair_at(start, col, following, onward[s])
            own[moving] = q
            link(moving, s, head, after, before)
            release[s] = -2
            for t in range(start[moving], start[moving + 1]):
                movable[s, col[t]] += 1
            if s == waits:
                break
            moving, r, q = following, s, next_q
        swaps += 1
        known = False
    return swaps


@njit(cache=True, nogil=True)
def _label(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    waits: int,
    movable: NDArray[np.int32],
    head: NDArray[np.int64],
    after: NDArray[np.int64],
    release: NDArray[np.int64],
    latest: NDArray[np.int64],
    onward: NDArray[np.int64],
    queue: NDArray[np.int64],
) -> None:
    """Find the latest lead that each column can do without; ``onward`` −1: its own."""
    m = len(release)
    for r in range(m):
        if release[r] == -2:
            release[r] = -1
            i = head[r] if r != waits and movable[r, waits] > 0 else -1
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
