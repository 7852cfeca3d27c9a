"""Value shares as even as exchanges of two leads, and moves of one within the fair counts, make them.

A rep's share is ``worth_level + Σ worth·step``, worth had per unit of weight. What is lowered is Σ share² / step, the sum
of weight × share². When worth δ goes from r to s it changes by ``δ·(δ·(step_r + step_s) − 2·(share_r − share_s))``: with
δ above 0 it falls exactly when ``δ·(step_r + step_s) < 2·(share_r − share_s)``, which is tested in whole numbers. Every
step lowers a sum that can take finitely many values, so the search ends; then no exchange of two leads, each of whom the
other's rep can take as well, brings shares closer in this sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.fair_split.membership import link, pair_at, unlink

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def _gathered(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    worth: NDArray[np.int64],
    head: NDArray[np.int64],
    after: NDArray[np.int64],
    r: int,
    s: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the leads at r that s could take, by worth and then row, and their worth."""
    size, i = 0, head[r]
    while i >= 0:
        if pair_at(start, col, i, s) >= 0:
            size += 1
        i = after[i]
    leads, worths = np.empty(size, np.int64), np.empty(size, np.int64)
    at, i = 0, head[r]
    while i >= 0:
        if pair_at(start, col, i, s) >= 0:
            leads[at] = i
            at += 1
        i = after[i]
    leads = np.sort(leads)
    for at in range(size):
        worths[at] = worth[leads[at]]
    by_worth = np.argsort(worths, kind="mergesort")
    return leads[by_worth], worths[by_worth]


@njit(cache=True, nogil=True)
def _better(given: int, gap: int, steps: int) -> bool:
    """Whether worth ``given`` from one rep to another lowers the sum; ``gap`` is the first's share less the other's."""
    return (given > 0 and given * steps < 2 * gap) or (given < 0 and given * steps > 2 * gap)


@njit(cache=True, nogil=True)
def even_value(
    start: NDArray[np.int64],
    col: NDArray[np.int32],
    worth: NDArray[np.int64],
    share: NDArray[np.int64],
    step: NDArray[np.int64],
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    own: NDArray[np.int64],
) -> int:
    """Exchange and move leads until no exchange or move makes shares more even; return how many were made.

    Parameters
    ----------
    start, col : ndarray
        Pairs as in ``transport.send``, all as good as any other.
    worth : ndarray of int64, shape (n,)
    share, step : ndarray of int64, shape (n_reps,)
        ``share`` is changed in place. Leads in columns beyond the reps stay there.
    least, most : ndarray of int64, shape (n_reps,)
    own : ndarray of int64, shape (n,)
        Changed in place.
    """
    n, m, last = len(own), len(step), 0
    for i in range(n):
        last = max(last, col[own[i]])
    head, after, before = np.full(max(m, last + 1), -1), np.full(n, -1), np.full(n, -1)
    count = np.zeros(max(m, last + 1), np.int64)
    width = len(head)
    for q in range(len(col)):
        width = max(width, col[q] + 1)
    movable = np.zeros((len(head), width), np.int32)
    for i in range(n - 1, -1, -1):
        count[col[own[i]]] += 1
        link(i, col[own[i]], head, after, before)
        for q in range(start[i], start[i + 1]):
            movable[col[own[i]], col[q]] += 1
    changed, checked = np.ones(m, np.int64), np.zeros((m, m), np.int64)
    clock, made = 1, 0
    again = True
    while again:
        again = False
        for r in range(m):
            for s in range(r + 1, m):
                if movable[r, s] == 0 and movable[s, r] == 0:
                    continue
                while checked[r, s] < max(changed[r], changed[s]):
                    if 2 * abs(share[r] - share[s]) <= step[r] + step[s]:
                        break  # not even worth 1 would help
                    ours, ours_worth = _gathered(start, col, worth, head, after, r, s)
                    theirs, theirs_worth = _gathered(start, col, worth, head, after, s, r)
                    gap, steps = share[r] - share[s], step[r] + step[s]
                    ideal = gap // steps if steps > 0 else 0
                    give, take, nearest = -1, -1, 0
                    for a in range(len(ours)):
                        # The sum is least at the worth nearest to the ideal, so its two neighbours decide.
                        at = np.searchsorted(theirs_worth, ours_worth[a] - ideal)
                        for b in (at - 1, at):
                            if 0 <= b < len(theirs):
                                given = ours_worth[a] - theirs_worth[b]
                                far = abs(given * steps - gap)
                                if _better(given, gap, steps) and ((give < 0 and take < 0) or far < nearest):
                                    give, take, nearest = ours[a], theirs[b], far
                        if count[r] > least[r] and count[s] < most[s]:
                            far = abs(ours_worth[a] * steps - gap)
                            if _better(ours_worth[a], gap, steps) and ((give < 0 and take < 0) or far < nearest):
                                give, take, nearest = ours[a], -1, far
                    if count[s] > least[s] and count[r] < most[r]:
                        for b in range(len(theirs)):
                            far = abs(-theirs_worth[b] * steps - gap)
                            if _better(-theirs_worth[b], gap, steps) and ((give < 0 and take < 0) or far < nearest):
                                give, take, nearest = -1, theirs[b], far
                    if give < 0 and take < 0:
                        checked[r, s] = clock
                        break
                    for i, a, b in ((give, r, s), (take, s, r)):
                        if i >= 0:
                            unlink(i, a, head, after, before)
                            link(i, b, head, after, before)
                            own[i] = pair_at(start, col, i, b)
                            share[a] -= worth[i] * step[a]
                            share[b] += worth[i] * step[b]
                            count[a] -= 1
                            count[b] += 1
                            for q in range(start[i], start[i + 1]):
                                movable[a, col[q]] -= 1
                                movable[b, col[q]] += 1
                    clock += 1
                    made += 1
                    changed[r], changed[s] = clock, clock
                    again = True
    return made
