"""The best load of one centre: a knapsack with a lower and an upper limit.

Every unit offers a reduced cost r and a load a; a centre takes what pays, within the limits. Where units may be divided
that is a linear program with one row: units are taken in order of r/a, and the one at the margin, whose ratio q is the
price of load at this centre, in part (Dantzig 1957). No sorting is needed: the margin is found by partitioning, as
quickselect does.

Whole units start from there. Leaving the divided choice for another costs |r − q a| for every unit decided otherwise, and
|q| for each unit of load off the limit, so the best whole choice is found by looking at few changes in order of cost;
where that takes too many, the unit at the margin is decided either way and both halves are priced anew (branch and bound;
the idea of a core of doubtful units is Balas & Zemel 1980).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEPTH = 48
"""Units decided one way or the other below one another; deeper than this a knapsack is left with the bound it has."""

_CHANGES = 200
"""Sets of changes looked at before a knapsack is split in two."""


class Scratch(NamedTuple):
    """Room for one knapsack at a time, so that nothing is allocated in the loops.

    ``reduced``, ``load`` and ``item`` hold the units on offer, ``whole`` the best whole choice (1: taken), ``fixed`` the
    decisions of open halves with their bounds in ``known``; the rest is working room.
    """

    reduced: NDArray[np.float64]
    load: NDArray[np.float64]
    item: NDArray[np.int64]
    ratio: NDArray[np.float64]
    weight: NDArray[np.float64]
    whole: NDArray[np.int8]
    fixed: NDArray[np.int8]
    known: NDArray[np.float64]
    penalty: NDArray[np.float64]
    change: NDArray[np.float64]
    rates: NDArray[np.float64]
    chosen: NDArray[np.int64]
    before: NDArray[np.float64]
    kept: NDArray[np.int64]


@njit(cache=True, nogil=True)
def scratch(n: int, whole: bool) -> Scratch:
    """Return room for knapsacks of up to ``n`` units."""
    w = n if whole else 0
    return Scratch(
        np.empty(n),
        np.empty(n),
        np.empty(n, np.int64),
        np.empty(n),
        np.empty(n),
        np.empty(w, np.int8),
        np.empty((_DEPTH + 2, w), np.int8),
        np.empty(_DEPTH + 2),
        np.empty(w),
        np.empty(w),
        np.empty((4, w + 1)),
        np.empty(w + 1, np.int64),
        np.empty(w + 1),
        np.empty(w + 1, np.int64),
    )


@njit(cache=True, nogil=True)
def cheapest_load(
    ratio: NDArray[np.float64], load: NDArray[np.float64], first: int, last: int, amount: float
) -> tuple[float, float]:
    """Take ``amount`` of load from the items ``first`` to ``last`` at the least cost; the arrays are reordered.

    Returns
    -------
    cost, price : float
        Σ ratio × load taken, and the ratio at the margin; +inf both where the items together are less than ``amount``.
    """
    cost = 0.0
    low, high = first, last - 1
    if amount <= 0.0 and low <= high:
        return 0.0, ratio[first:last].min()
    while low <= high:
        a, b, c = ratio[low], ratio[(low + high) // 2], ratio[high]
        pivot = max(min(a, b), min(max(a, b), c))
        # Three parts: below the pivot, equal to it, above it.
        below, at, above = low, low, high
        below_load, below_cost, equal_load = 0.0, 0.0, 0.0
        while at <= above:
            value, weight = ratio[at], load[at]
            if value < pivot:
                below_load += weight
                below_cost += value * weight
                ratio[at], load[at] = ratio[below], load[below]
                ratio[below], load[below] = value, weight
                below += 1
                at += 1
            elif value > pivot:
                ratio[at], load[at] = ratio[above], load[above]
                ratio[above], load[above] = value, weight
                above -= 1
            else:
                equal_load += weight
                at += 1
        if below_load >= amount:
            high = below - 1
            continue
        cost += below_cost
        amount -= below_load
        if equal_load >= amount:
            return cost + pivot * amount, pivot
        cost += pivot * equal_load
        amount -= equal_load
        low = above + 1
    return np.inf, np.inf


@njit(cache=True, nogil=True)
def _divided(
    s: Scratch, n: int, fixed: NDArray[np.int8], lower: float, upper: float
) -> tuple[float, float, float, bool]:
    """Return the least Σ r x with 0 ≤ x ≤ 1, its price, the load that is fixed, and whether a limit decides.

    ``fixed`` 1: taken, −1: not. A limit can decide at a price of 0, between units that cost nothing.
    """
    base, held, gain, gain_load = 0.0, 0.0, 0.0, 0.0
    head, tail = 0, n
    some = len(fixed) > 0
    for k in range(n):
        if some and fixed[k] != 0:
            if fixed[k] > 0:
                base += s.reduced[k]
                held += s.load[k]
            continue
        if s.reduced[k] < 0.0:
            s.ratio[head], s.weight[head] = s.reduced[k] / s.load[k], s.load[k]
            head += 1
            gain += s.reduced[k]
            gain_load += s.load[k]
        else:
            tail -= 1
            s.ratio[tail], s.weight[tail] = s.reduced[k] / s.load[k], s.load[k]
    if held > upper:
        return np.inf, 0.0, held, True
    if gain_load > upper - held:
        value, price = cheapest_load(s.ratio, s.weight, 0, head, upper - held)
        return base + value, price, held, True
    if gain_load >= lower - held:
        return base + gain, 0.0, held, False
    value, price = cheapest_load(s.ratio, s.weight, tail, n, lower - held - gain_load)
    return base + gain + value, price, held, True


@njit(cache=True, nogil=True)
def _cheapest_changes(
    s: Scratch, n: int, load: float, lower: float, upper: float, price: float, cutoff: float
) -> tuple[float, int, float, int]:
    """Return the least cost of changing some of ``n`` decisions so that the load is within the limits.

    Changes are in ascending order of ``penalty`` and move the load by ``change``. Sets of changes that cost less than a
    budget are all looked at, and the budget doubled, until nothing cheaper than the best can be left.

    Returns
    -------
    best, count : float, int
        Least cost below ``cutoff``, inf where there is none; its changes are ``kept[:count]`` (−1: none found).
    proved : float
        Every set that costs less than this was looked at.
    looked : int
    """
    # What moving the load by one unit costs at least with the changes from k on, and how far they can move it.
    more, less, most, least = s.rates[0], s.rates[1], s.rates[2], s.rates[3]
    more[n], less[n], most[n], least[n] = np.inf, np.inf, 0.0, 0.0
    for k in range(n - 1, -1, -1):
        more[k], less[k], most[k], least[k] = more[k + 1], less[k + 1], most[k + 1], least[k + 1]
        if s.change[k] > 0.0:
            more[k] = min(more[k], s.penalty[k] / s.change[k])
            most[k] += s.change[k]
        else:
            less[k] = min(less[k], -s.penalty[k] / s.change[k])
            least[k] -= s.change[k]
    best, count, looked, proved = np.inf, -1, 0, 0.0
    if lower <= load <= upper:
        value = -price * (upper - load) if price < 0.0 else price * (load - lower) if price > 0.0 else 0.0
        if value < cutoff:
            best, count = value, 0
    total = 0.0
    for k in range(n):
        total += s.penalty[k]
    budget = s.penalty[min(3, n - 1)] if n else np.inf
    while proved < min(best, cutoff) and proved <= total:
        # Never 0, or it would stay there.
        budget = max(budget, 1e-9 * total, 1e-300)
        depth, cost, now, k = 0, 0.0, load, 0
        while True:
            if k < n and cost + s.penalty[k] < min(budget, best, cutoff):
                s.chosen[depth], s.before[depth] = k, cost
                depth += 1
                cost += s.penalty[k]
                now += s.change[k]
                looked += 1
                if looked > _CHANGES:
                    return best, count, proved, looked
                if lower <= now <= upper:
                    off = -price * (upper - now) if price < 0.0 else price * (now - lower) if price > 0.0 else 0.0
                    if cost + off < best and cost + off < cutoff:
                        best, count = cost + off, depth
                        for d in range(depth):
                            s.kept[d] = s.chosen[d]
                k += 1
                end = min(budget, best, cutoff)
                # The rest cannot bring the load within the limits, or not for less than the best.
                short, over = lower - now, now - upper
                if short > 0.0 and (most[k] < short or cost + short * more[k] >= end):
                    k = n
                if over > 0.0 and (least[k] < over or cost + over * less[k] >= end):
                    k = n
            elif depth == 0:
                break
            else:
                depth -= 1
                k = s.chosen[depth]
                cost = s.before[depth]
                now -= s.change[k]
                k += 1
        proved = budget
        budget *= 2.0
    return best, count, np.inf, looked


@njit(cache=True, nogil=True)
def _undivided(s: Scratch, n: int, lower: float, upper: float, effort: int) -> tuple[float, bool]:
    """Return the least Σ r x with x ∈ {0, 1}, or a lower bound on it and False after ``effort`` steps; x in ``whole``."""
    best = np.inf
    s.whole[:n] = 0
    s.fixed[0, :n] = 0
    s.known[0] = -np.inf
    top, spent = 0, 0
    unproved = np.inf
    while top >= 0:
        fixed, known = s.fixed[top], s.known[top]
        top -= 1
        if known >= best:
            continue
        value, price, held, _ = _divided(s, n, fixed[:n], lower, upper)
        known = max(known, value)
        # The second is rounding: a half that is better by no more than that is not better.
        if known == np.inf or (best < np.inf and known >= best - 1e-12 * abs(best)):
            continue
        spent += n
        # The divided choice, made whole: what pays at the price is taken.
        load, count = held, 0
        for k in range(n):
            if fixed[k] == 0:
                gain = s.reduced[k] - price * s.load[k]
                if abs(gain) <= 1e-12 * abs(s.reduced[k]):
                    gain = 0.0
                if gain < 0.0:
                    load += s.load[k]
                s.ratio[count], s.weight[count] = abs(gain), -s.load[k] if gain < 0.0 else s.load[k]
                s.item[count] = k
                count += 1
        order = np.argsort(s.ratio[:count])
        for c in range(count):
            s.penalty[c], s.change[c] = s.ratio[order[c]], s.weight[order[c]]
        extra, changes, proved, looked = _cheapest_changes(s, count, load, lower, upper, price, best - value)
        spent += looked
        if changes >= 0:
            best = value + extra
            for k in range(n):
                s.whole[k] = 1 if fixed[k] > 0 else 0
            for c in range(count):
                if s.change[c] < 0.0:
                    s.whole[s.item[order[c]]] = 1
            for c in range(changes):
                k = s.item[order[s.kept[c]]]
                s.whole[k] = 1 - s.whole[k]
        if proved == np.inf:
            continue
        known = max(known, value + proved)
        if known >= best:
            continue
        if top + 2 > _DEPTH or spent > effort:
            unproved = min(unproved, known)
            continue
        margin = s.item[order[0]]
        # The two halves take the places above ``top``; the first is the one just read.
        s.fixed[top + 2, :n] = fixed[:n]
        s.fixed[top + 1, margin], s.fixed[top + 2, margin] = -1, 1
        s.known[top + 1] = s.known[top + 2] = known
        top += 2
    return min(best, unproved), best <= unproved


@njit(cache=True, nogil=True)
def best_load(
    unit: NDArray[np.int32],
    cost: NDArray[np.float64],
    n_pairs: int,
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    own: int,
    lower: float,
    upper: float,
    effort: int,
    s: Scratch,
) -> tuple[float, float, bool]:
    """Return the least Σ (cost − worth) x of one centre over x_own = 1, lower ≤ Σ load x ≤ upper.

    Parameters
    ----------
    unit, cost : ndarray
        The first ``n_pairs`` are units that this centre may serve; +inf is skipped.
    worth, load : ndarray, shape (n_units,)
    own : int
        The unit that must be served; −1 for none.
    lower, upper : float
    effort : int
        0: 0 ≤ x ≤ 1. Otherwise x ∈ {0, 1}, by at most about this many steps.
    s : Scratch

    Returns
    -------
    value, price : float
        The minimum (with ``effort`` a lower bound on it), and the price q of load in the divided problem: negative where
        the upper limit holds, positive where the lower one does; that problem's minimum is
        ``base + Σ min(0, r_i − q a_i) + q × limit``. Both +inf where these pairs do not fill the lower limit; the value
        +inf at price 0 where the own unit cannot be served.
    exact : bool
    """
    base = 0.0
    found = own < 0
    n = 0
    for p in range(n_pairs):
        i = unit[p]
        reduced = cost[p] - worth[i]
        if reduced == np.inf:
            continue
        a = load[i]
        if i == own:
            found = True
            base += reduced
            lower -= a
            upper -= a
        elif a == 0.0:
            base += min(0.0, reduced)
        elif reduced < 0.0 or lower > 0.0:
            s.reduced[n], s.load[n] = reduced, a
            n += 1
    if not found or upper < 0.0:
        return np.inf, 0.0, True
    value, price, _, decided = _divided(s, n, s.fixed[0, :0], lower, upper)
    if effort > 0 and value < np.inf and decided:
        undivided, exact = _undivided(s, n, lower, upper, effort)
        return base + max(undivided, value), price, exact
    return base + value, price, True


@njit(cache=True, nogil=True)
def add_taken(
    unit: NDArray[np.int32],
    cost: NDArray[np.float64],
    n_pairs: int,
    worth: NDArray[np.float64],
    load: NDArray[np.float64],
    own: int,
    lower: float,
    upper: float,
    price: float,
    effort: int,
    s: Scratch,
    weight: float,
    served: NDArray[np.float64],
) -> None:
    """Add ``weight`` times what :func:`best_load` has just taken, at its ``price``, to ``served``, shape (n_units,)."""
    # The same units in the same order as in ``best_load``; first what is left for the ones at the margin.
    room, marginal = upper if price < 0.0 else lower, 0.0
    full = lower
    for p in range(n_pairs):
        i = unit[p]
        ratio = (cost[p] - worth[i]) / load[i] if load[i] > 0.0 else 0.0
        if i == own or (load[i] > 0.0 and ratio < price):
            room -= load[i]
        elif load[i] > 0.0 and ratio == price:
            marginal += load[i]
    share = min(1.0, max(0.0, room / marginal)) if marginal > 0.0 else 0.0
    undivided = effort > 0 and (price != 0.0 or room > 0.0)
    n = 0
    for p in range(n_pairs):
        i = unit[p]
        reduced = cost[p] - worth[i]
        if reduced == np.inf:
            continue
        if i == own:
            served[i] += weight
            full -= load[i]
        elif load[i] == 0.0:
            served[i] += weight if reduced < 0.0 else 0.0
        elif reduced < 0.0 or full > 0.0:
            if undivided:
                served[i] += weight * s.whole[n]
            elif reduced / load[i] < price:
                served[i] += weight
            elif reduced / load[i] == price:
                served[i] += weight * share
            n += 1
