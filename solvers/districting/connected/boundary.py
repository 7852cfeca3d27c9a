"""Compiled local search over the units on the borders between connected territories.

Three moves, each with its exact check that every territory stays in one piece:

- *shift*: a border unit goes to a territory it touches; if others would lose touch with their territory, they go along;
- *chain*: a border unit goes next door and a border unit from there goes on, to the first territory (a swap) or a third;
- in :func:`anneal` these are drawn at random and taken by Metropolis' rule; in :func:`descend` all are tried in turn.

Source: boundary moves with contiguity checks are Openshaw's automatic zoning procedure (1977); annealing it, Openshaw &
Rao (1995); ejection chains, Glover (1996).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.districting.connected.borders import (
    AFTER,
    BORDER,
    CURSOR,
    HEAD,
    HOME,
    LISTED,
    PLACE,
    SIZE,
    SPARE,
    WORK,
    Division,
    Ground,
    bundle_delta,
    change,
    gone,
    move,
    note,
    strain,
)
from solvers.districting.connected.connectivity import CUT, Scratch, cut_off

if TYPE_CHECKING:
    from numpy.typing import NDArray


PATIENCE = 2_000
"""Units that one check of connection looks around before it calls a move off."""

SMOOTHING = 0.1
"""Temperatures that one more link between territories counts for: borders stay short, units stay easy to move."""


@njit(cache=True, nogil=True)
def _next(random: NDArray[np.uint64]) -> np.uint64:
    """Return 64 random bits. Source: SplitMix64, Steele, Lea & Flood 2014."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(z ^ (z >> np.uint64(31)))


@njit(cache=True, nogil=True)
def _draw(random: NDArray[np.uint64], below: int) -> np.int64:
    """Return a whole number from 0 to ``below`` − 1."""
    return np.int64(_next(random) >> np.uint64(33)) % below


@njit(cache=True, nogil=True)
def _uniform(random: NDArray[np.uint64]) -> float:
    """Return a number from 0 to 1, 1 excluded."""
    return np.float64(_next(random) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def _links(ground: Ground, division: Division, i: int, t: int) -> int:
    """Return how many neighbours unit ``i`` has in territory ``t``."""
    count = 0
    for e in range(ground.start[i], ground.start[i + 1]):
        if division.assignment[ground.neighbour[e]] == t:
            count += 1
    return count


@njit(cache=True, nogil=True)
def _cut(ground: Ground, division: Division, scratch: Scratch, i: int, most: int) -> int:
    """Return how many units lose touch with their territory when unit ``i`` leaves it; see :func:`cut_off`."""
    keep = division.territory[division.assignment[i], HOME]
    return cut_off(ground.start, ground.neighbour, division.assignment, i, keep, most, PATIENCE, scratch)


@njit(cache=True, nogil=True)
def _another(ground: Ground, division: Division, random: NDArray[np.uint64], i: int) -> int:
    """Return a territory that border unit ``i`` touches and is not in, at random."""
    degree = ground.start[i + 1] - ground.start[i]
    first = _draw(random, degree)
    for step in range(degree):
        t: int = division.assignment[ground.neighbour[ground.start[i] + (first + step) % degree]]
        if t != division.assignment[i]:
            return t
    return -1


@njit(cache=True, nogil=True)
def _chain(ground: Ground, division: Division, scratch: Scratch, i: int, b: int, j: int, c: int) -> bool:
    """Send ``i`` to ``b`` and ``j`` from there to ``c``, if every territory stays in one piece; return whether."""
    a = division.assignment[i]
    if _cut(ground, division, scratch, i, 0) != 0:
        return False
    move(ground, division, i, b)
    if _links(ground, division, j, c) > 0 and _cut(ground, division, scratch, j, 0) == 0:
        move(ground, division, j, c)
        return True
    move(ground, division, i, a)
    return False


@njit(cache=True, nogil=True)
def _chain_delta(ground: Ground, division: Division, i: int, b: int, j: int, c: int) -> float:
    """Return the change of objective and tolls when ``i`` goes to ``b`` and ``j`` from there to ``c``."""
    a = division.assignment[i]
    delta: float = ground.table[i, b] - ground.table[i, a] + ground.table[j, c] - ground.table[j, b]
    delta += change(ground, division, b, i, j) + strain(ground, division, gone(ground, i, a, b) + gone(ground, j, b, c))
    if c == a:
        return delta + change(ground, division, a, j, i)
    return delta + change(ground, division, a, -1, i) + change(ground, division, c, j, -1)


@njit(cache=True, nogil=True)
def _taken(delta: float, temperature: float, random: NDArray[np.uint64]) -> bool:
    """Metropolis' rule."""
    return delta <= 0.0 or _uniform(random) < math.exp(-delta / temperature)


@njit(cache=True, nogil=True)
def anneal(
    ground: Ground,
    division: Division,
    scratch: Scratch,
    random: NDArray[np.uint64],
    temperature: float,
    steps: int,
    chained: float,
    most: int,
) -> None:
    """Draw ``steps`` moves and take them by Metropolis' rule at one temperature.

    Parameters
    ----------
    ground, division, scratch
        ``division`` is changed in place; its ``best`` is kept.
    random : ndarray of uint64, shape (1,)
        State of the random numbers.
    temperature : float
        In units of the objective, above 0.
    steps : int
    chained : float
        Share of chains among the moves drawn.
    most : int
        How many units may go along with one that would cut them off.
    """
    for _ in range(steps):
        if division.counts[BORDER] == 0:
            return
        i = division.unit[_draw(random, division.counts[BORDER]), LISTED]
        a = division.assignment[i]
        if division.territory[a, HOME] == i or division.territory[a, SIZE] == 1:
            continue
        b = _another(ground, division, random, i)
        if ground.table[i, b] >= ground.forbidden:
            continue
        if _uniform(random) < chained:
            j = division.territory[b, CURSOR]
            for _hop in range(1 + _draw(random, 4)):
                j = division.unit[j, AFTER] if j >= 0 else division.territory[b, HEAD]
            if j < 0:
                j = division.territory[b, HEAD]
            division.territory[b, CURSOR] = j
            if division.territory[b, HOME] == j:
                continue
            c = _another(ground, division, random, j)
            if ground.table[j, c] >= ground.forbidden:
                continue
            delta = _chain_delta(ground, division, i, b, j, c)
            if _taken(delta, temperature, random) and _chain(ground, division, scratch, i, b, j, c):
                note(division)
            continue
        delta = ground.table[i, b] - ground.table[i, a]
        delta += change(ground, division, a, -1, i) + change(ground, division, b, i, -1)
        delta += strain(ground, division, gone(ground, i, a, b))
        longer = _links(ground, division, i, a) - _links(ground, division, i, b)
        if not _taken(delta + SMOOTHING * temperature * longer, temperature, random):
            continue
        cut = _cut(ground, division, scratch, i, most)
        if cut < 0:
            continue
        if cut > 0 and not _taken(bundle_delta(ground, division, scratch.unit, cut, i, b), temperature, random):
            continue
        move(ground, division, i, b)
        for p in range(cut):
            move(ground, division, scratch.unit[p, CUT], b)
        note(division)


@njit(cache=True, nogil=True)
def descend(
    ground: Ground,
    division: Division,
    scratch: Scratch,
    order: NDArray[np.int32],
    least: float,
    most: int,
    chains: bool,
    work: int,
) -> int:
    """Take every move that gains more than ``least`` until there is none or the work is done.

    Parameters
    ----------
    ground, division, scratch
        ``division`` is changed in place; its ``best`` is kept.
    order : ndarray of int32, shape (n_units,)
        The units in the order in which to try them.
    least : float
        Gain below which a move is not worth it.
    most : int
        How many units may go along with one that would cut them off.
    chains : bool
        Whether to try chains where no shift gains.
    work : int
        Moves and units looked at before it is called off.

    Returns
    -------
    int
        Moves made.
    """
    made, before = 0, -1
    checks = scratch.called[-2]
    division.counts[WORK] = 0
    while made > before:
        before = made
        for p in range(order.shape[0]):
            i = order[p]
            if division.unit[i, PLACE] < 0:
                continue
            if division.counts[WORK] + scratch.called[-2] - checks > work:
                return made
            if _improve(ground, division, scratch, i, least, most, chains):
                made += 1
                note(division)
    return made


@njit(cache=True, nogil=True)
def _improve(
    ground: Ground, division: Division, scratch: Scratch, i: int, least: float, most: int, chains: bool
) -> bool:
    """Make the best shift of unit ``i``, or the first chain from it that gains; return whether there was one."""
    a = division.assignment[i]
    if division.territory[a, HOME] == i or division.territory[a, SIZE] == 1:
        return False
    cut = _cut(ground, division, scratch, i, most)
    own = _links(ground, division, i, a)
    best, best_delta = -1, -least
    if cut >= 0:
        for e in range(ground.start[i], ground.start[i + 1]):
            b = division.assignment[ground.neighbour[e]]
            if (b - a) * (b - best) == 0 or ground.table[i, b] >= ground.forbidden:
                continue
            delta = bundle_delta(ground, division, scratch.unit, cut, i, b)
            if delta < best_delta:
                best, best_delta = b, delta
            elif delta == 0.0 and best < 0 and cut == 0 and _links(ground, division, i, b) > own:
                # Nothing at stake, an empty unit for instance: to where it makes the border shorter.
                best = b
    if best >= 0:
        move(ground, division, i, best)
        for p in range(cut):
            move(ground, division, scratch.unit[p, CUT], best)
        return True
    if cut != 0 or not chains:
        return False
    for e in range(ground.start[i], ground.start[i + 1]):
        b = division.assignment[ground.neighbour[e]]
        repeated = b == a or ground.table[i, b] >= ground.forbidden
        for f in range(ground.start[i], e):
            if division.assignment[ground.neighbour[f]] == b:
                repeated = True
                break
        if repeated:
            continue
        # Trying a chain changes the list of border units: go through a copy.
        count = 0
        j = division.territory[b, HEAD]
        while j >= 0:
            division.unit[count, SPARE] = j
            count += 1
            j = division.unit[j, AFTER]
        for p in range(count):
            j = division.unit[p, SPARE]
            if division.territory[b, HOME] == j:
                continue
            last = -1
            for f in range(ground.start[j], ground.start[j + 1]):
                c = division.assignment[ground.neighbour[f]]
                if (b - c) * (last - c) == 0 or ground.table[j, c] >= ground.forbidden:
                    continue
                last = c
                division.counts[WORK] += 1
                if _chain_delta(ground, division, i, b, j, c) < -least and _chain(
                    ground, division, scratch, i, b, j, c
                ):
                    return True
    return False
