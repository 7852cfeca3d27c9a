"""Connected territories under local search: the assignment, and what must be kept in step with it, as arrays.

Compiled functions take these few arrays instead of objects; a column of a table has a name here instead of an attribute.

Limits are tolls: a load outside its limits by v costs price · v · (1 + v / scale). The linear part makes small
violations dear, the square spreads large ones over the territories around, which carries load across the map. What
changes hands beyond its limit is a toll of the same form, on the one sum over all territories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from solvers.districting.connected.connectivity import CUT

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWER, UPPER, TARGET = 0, 1, 2
"""Layers of ``Ground.limit``."""

WEIGHT, PRICE, SCALE = 0, 1, 2
"""Rows of ``Ground.rate``: weight of the soft target, price of a violation, where its square begins to tell."""

MOST = 0
"""Place in ``Ground.budget`` of the most that may change hands; ``PRICE`` and ``SCALE`` are as in ``Ground.rate``."""

OUTSIDE, PLACE, AFTER, BEFORE, BEST_OF, STALE, LISTED, CHANGED, SPARE = range(9)
"""Columns of ``Division.unit``.

Links to other territories; place among the border units, −1 for none; the next and the last border unit of the same
territory; territory in the best assignment; whether that differs. Then lists, by place: the border units, the units
that differ from the best assignment, and room for a copy.
"""

SIZE, HEAD, CURSOR, HOME = range(4)
"""Columns of ``Division.territory``.

Units; first border unit, −1 for none; a place among these; the unit of the centre, which does not leave, −1 for none.
"""

BORDER, BROKEN, DIRTY, WORK = range(4)
"""Places in ``Division.counts``: border units, broken limits, units that differ from the best, moves looked at."""

OBJECTIVE, BEST, MOVED = range(3)
"""Places in ``Division.values``: objective of the assignment and of the best one, and what changes hands."""


class Ground(NamedTuple):
    """What does not move: graph, costs, limits.

    Attributes
    ----------
    start, neighbour
        The graph.
    table : ndarray of float64, shape (n_units, n_territories)
        Cost of each unit at each territory's present centre; ``forbidden`` where it may not be held.
    load : ndarray of float64, shape (n_units, n_measures)
    limit : ndarray of float64, shape (3, n_measures, n_territories)
        Lower and upper limits and soft targets.
    rate : ndarray of float64, shape (3, n_measures)
    moved : ndarray of float64, shape (n_units, n_territories)
        What of each unit changes hands in each territory; (0, 0) where that is not limited.
    budget : ndarray of float64, shape (3,)
        The limit on its sum, the price of a violation, and where its square begins to tell.
    forbidden : float
    """

    start: NDArray[np.int64]
    neighbour: NDArray[np.int32]
    table: NDArray[np.float64]
    load: NDArray[np.float64]
    limit: NDArray[np.float64]
    rate: NDArray[np.float64]
    moved: NDArray[np.float64]
    budget: NDArray[np.float64]
    forbidden: float


class Division(NamedTuple):
    """What moves: the assignment and everything kept in step with it.

    The best assignment met that keeps every limit is kept by noting which units have changed since: so a new best
    costs what changed, not everything.

    Attributes
    ----------
    assignment : ndarray of int32, shape (n_units,)
    unit : ndarray of int32, shape (n_units, 9)
    territory : ndarray of int32, shape (n_territories, 4)
    totals : ndarray of float64, shape (n_measures, n_territories)
        Loads.
    counts : ndarray of int64, shape (4,)
    values : ndarray of float64, shape (3,)
    """

    assignment: NDArray[np.int32]
    unit: NDArray[np.int32]
    territory: NDArray[np.int32]
    totals: NDArray[np.float64]
    counts: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, n_units: int, n_measures: int, n_territories: int) -> Division:
        """Return room for an assignment; :func:`survey` fills it."""
        return cls(
            np.zeros(n_units, np.int32),
            np.zeros((n_units, 9), np.int32),
            np.full((n_territories, 4), -1, np.int32),
            np.zeros((n_measures, n_territories)),
            np.zeros(4, np.int64),
            np.full(3, np.inf),
        )


@njit(cache=True, nogil=True)
def _toll(ground: Ground, k: int, t: int, load: float) -> float:
    """Return what a load costs: what is outside its limits, and what is off target."""
    over = max(load - ground.limit[UPPER, k, t], ground.limit[LOWER, k, t] - load, 0.0)
    toll: float = ground.rate[PRICE, k] * over * (1.0 + over / ground.rate[SCALE, k])
    if ground.rate[WEIGHT, k] > 0.0:
        toll += ground.rate[WEIGHT, k] * abs(load - ground.limit[TARGET, k, t])
    return toll


@njit(cache=True, nogil=True)
def gone(ground: Ground, i: int, a: int, b: int) -> float:
    """Return how much more changes hands when unit ``i`` goes from ``a`` to ``b``; 0 where that is not limited."""
    if ground.moved.shape[0] == 0:
        return 0.0
    more: float = ground.moved[i, b] - ground.moved[i, a]
    return more


@njit(cache=True, nogil=True)
def strain(ground: Ground, division: Division, more: float) -> float:
    """Return the change of the toll on what changes hands when that grows by ``more``."""
    if more == 0.0:
        return 0.0
    now = max(division.values[MOVED] - ground.budget[MOST], 0.0)
    then = max(division.values[MOVED] + more - ground.budget[MOST], 0.0)
    scale = ground.budget[SCALE]
    toll: float = ground.budget[PRICE] * (then * (1.0 + then / scale) - now * (1.0 + now / scale))
    return toll


@njit(cache=True, nogil=True)
def change(ground: Ground, division: Division, t: int, joining: int, leaving: int) -> float:
    """Return the change of tolls in territory ``t`` when one unit joins and one leaves; −1: none."""
    delta = 0.0
    for k in range(ground.load.shape[1]):
        now = division.totals[k, t]
        then = now
        if joining >= 0:
            then += ground.load[joining, k]
        if leaving >= 0:
            then -= ground.load[leaving, k]
        if then != now:
            delta += _toll(ground, k, t, then) - _toll(ground, k, t, now)
    return delta


@njit(cache=True, nogil=True)
def bundle_delta(ground: Ground, division: Division, unit: NDArray[np.int32], count: int, i: int, b: int) -> float:
    """Return the change of objective and tolls when unit ``i`` and ``count`` others go to ``b``; inf if one may not."""
    a = division.assignment[i]
    delta: float = ground.table[i, b] - ground.table[i, a]
    more = gone(ground, i, a, b)
    for p in range(count):
        u = unit[p, CUT]
        if ground.table[u, b] >= ground.forbidden:
            return np.inf
        delta += ground.table[u, b] - ground.table[u, a]
        more += gone(ground, u, a, b)
    delta += strain(ground, division, more)
    for k in range(ground.load.shape[1]):
        moved = ground.load[i, k]
        for p in range(count):
            moved += ground.load[unit[p, CUT], k]
        delta += _toll(ground, k, a, division.totals[k, a] - moved) - _toll(ground, k, a, division.totals[k, a])
        delta += _toll(ground, k, b, division.totals[k, b] + moved) - _toll(ground, k, b, division.totals[k, b])
    return delta


@njit(cache=True, nogil=True)
def _enter(division: Division, i: int) -> None:
    """Put unit ``i`` among the border units of its territory."""
    t = division.assignment[i]
    division.unit[i, PLACE] = division.counts[BORDER]
    division.unit[division.counts[BORDER], LISTED] = i
    division.counts[BORDER] += 1
    first = division.territory[t, HEAD]
    division.unit[i, BEFORE] = -1
    division.unit[i, AFTER] = first
    if first >= 0:
        division.unit[first, BEFORE] = i
    division.territory[t, HEAD] = i


@njit(cache=True, nogil=True)
def _leave(division: Division, i: int) -> None:
    """Take unit ``i`` out of the border units of its territory."""
    t = division.assignment[i]
    division.counts[BORDER] -= 1
    last = division.unit[division.counts[BORDER], LISTED]
    division.unit[division.unit[i, PLACE], LISTED] = last
    division.unit[last, PLACE] = division.unit[i, PLACE]
    division.unit[i, PLACE] = -1
    if division.territory[t, CURSOR] == i:
        division.territory[t, CURSOR] = division.unit[i, AFTER]
    if division.unit[i, BEFORE] >= 0:
        division.unit[division.unit[i, BEFORE], AFTER] = division.unit[i, AFTER]
    else:
        division.territory[t, HEAD] = division.unit[i, AFTER]
    if division.unit[i, AFTER] >= 0:
        division.unit[division.unit[i, AFTER], BEFORE] = division.unit[i, BEFORE]


@njit(cache=True, nogil=True)
def _is_broken(ground: Ground, k: int, t: int, load: float) -> int:
    return 1 if load > ground.limit[UPPER, k, t] or load < ground.limit[LOWER, k, t] else 0


@njit(cache=True, nogil=True)
def survey(ground: Ground, division: Division) -> None:
    """Work out everything that follows from ``division.assignment``; take it for the best if it keeps every limit."""
    n = division.assignment.shape[0]
    # Loops, not slices: assigning to a slice brings in seconds of compilation.
    for place in range(division.counts.shape[0]):
        division.counts[place] = 0
    for t in range(division.territory.shape[0]):
        division.territory[t, SIZE] = 0
        division.territory[t, HEAD] = -1
        division.territory[t, CURSOR] = -1
        for k in range(division.totals.shape[0]):
            division.totals[k, t] = 0.0
    objective, moved = 0.0, 0.0
    for i in range(n - 1, -1, -1):
        t = division.assignment[i]
        objective += ground.table[i, t]
        if ground.moved.shape[0] > 0:
            moved += ground.moved[i, t]
        division.territory[t, SIZE] += 1
        for k in range(ground.load.shape[1]):
            division.totals[k, t] += ground.load[i, k]
        out = 0
        for e in range(ground.start[i], ground.start[i + 1]):
            if division.assignment[ground.neighbour[e]] != t:
                out += 1
        division.unit[i, OUTSIDE] = out
        division.unit[i, PLACE] = -1
        division.unit[i, STALE] = 0
        division.unit[i, BEST_OF] = t
        if out > 0:
            _enter(division, i)
    for k in range(division.totals.shape[0]):
        for t in range(division.totals.shape[1]):
            division.counts[BROKEN] += _is_broken(ground, k, t, division.totals[k, t])
            if ground.rate[WEIGHT, k] > 0.0:
                objective += ground.rate[WEIGHT, k] * abs(division.totals[k, t] - ground.limit[TARGET, k, t])
    if moved > ground.budget[MOST]:
        division.counts[BROKEN] += 1
    division.values[OBJECTIVE] = objective
    division.values[MOVED] = moved
    division.values[BEST] = np.inf
    note(division)


@njit(cache=True, nogil=True)
def note(division: Division) -> None:
    """Keep the assignment if it keeps every limit and is the best so far."""
    if division.counts[BROKEN] > 0 or division.values[OBJECTIVE] >= division.values[BEST]:
        return
    division.values[BEST] = division.values[OBJECTIVE]
    for p in range(division.counts[DIRTY]):
        i = division.unit[p, CHANGED]
        division.unit[i, STALE] = 0
        division.unit[i, BEST_OF] = division.assignment[i]
    division.counts[DIRTY] = 0


@njit(cache=True, nogil=True)
def move(ground: Ground, division: Division, i: int, b: int) -> None:
    """Put unit ``i`` into territory ``b`` and keep everything in step."""
    assignment = division.assignment
    a = assignment[i]
    division.values[OBJECTIVE] += ground.table[i, b] - ground.table[i, a]
    more = gone(ground, i, a, b)
    if more != 0.0:
        before = division.values[MOVED] > ground.budget[MOST]
        division.values[MOVED] += more
        after = division.values[MOVED] > ground.budget[MOST]
        division.counts[BROKEN] += (1 if after else 0) - (1 if before else 0)
    for k in range(ground.load.shape[1]):
        load = ground.load[i, k]
        if load != 0.0:
            for side in range(2):
                t = a if side == 0 else b
                now = division.totals[k, t]
                then = now - load if side == 0 else now + load
                division.totals[k, t] = then
                division.counts[BROKEN] += _is_broken(ground, k, t, then) - _is_broken(ground, k, t, now)
                if ground.rate[WEIGHT, k] > 0.0:
                    target = ground.limit[TARGET, k, t]
                    division.values[OBJECTIVE] += ground.rate[WEIGHT, k] * (abs(then - target) - abs(now - target))
    division.territory[a, SIZE] -= 1
    division.territory[b, SIZE] += 1
    if division.unit[i, PLACE] >= 0:
        _leave(division, i)
    assignment[i] = b
    out = 0
    for e in range(ground.start[i], ground.start[i + 1]):
        v = ground.neighbour[e]
        if assignment[v] == a:
            division.unit[v, OUTSIDE] += 1
            if division.unit[v, OUTSIDE] == 1:
                _enter(division, v)
        elif assignment[v] == b:
            division.unit[v, OUTSIDE] -= 1
            if division.unit[v, OUTSIDE] == 0:
                _leave(division, v)
        if assignment[v] != b:
            out += 1
    division.unit[i, OUTSIDE] = out
    if out > 0:
        _enter(division, i)
    if division.unit[i, STALE] == 0:
        division.unit[i, STALE] = 1
        division.unit[division.counts[DIRTY], CHANGED] = i
        division.counts[DIRTY] += 1
