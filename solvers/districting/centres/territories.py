"""Territories in the form that compiled walks change: lists of units, and what each territory costs with its best centre.

For every site ``j`` the sum of the costs of its own territory's units from it is kept; then the cost of a territory with
one unit out and another in, *with the best centre it would then have*, takes one pass over its units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from solvers.districting.centres.sites import SiteCosts, site_cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem

NOBODY: int = np.int64(-1)  # type: ignore[assignment]  # see below
"""No unit or no territory. Like the next ones of the type of units, for numba compiles a function again for every
literal argument."""

KINDS: int = np.int64(64)  # type: ignore[assignment]  # as above
"""Moves are of so many kinds, 24 of them shifts, 28 swaps and 12 relays."""

FINE: int = np.int64(1 << 30)  # type: ignore[assignment]  # as above
"""Steps of a random fraction."""


class Rules(NamedTuple):
    """What a walk must know of a problem besides the costs; shapes as in ``DistrictingProblem``.

    Attributes
    ----------
    site_start : ndarray of int64, shape (n_units + 1,)
        Sites are numbered by unit: those of unit ``i`` are ``site_start[i]`` to ``site_start[i + 1]``.
    near : ndarray of int64, shape (n_units, any)
        Units near each unit.
    scale : ndarray of float64, shape (n_measures,)
        A territory's usual load: violations are counted in it.
    alike : bool
        Every territory may hold every unit.
    filled : bool
        There are lower limits.
    """

    site_start: NDArray[np.int64]
    near: NDArray[np.int64]
    loads: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    target: NDArray[np.float64]
    target_weight: NDArray[np.float64]
    scale: NDArray[np.float64]
    class_of: NDArray[np.int32]
    class_allowed: NDArray[np.bool_]
    fixed: NDArray[np.int32]
    alike: bool
    filled: bool


class State(NamedTuple):
    """An assignment with what makes its moves quick to judge.

    Attributes
    ----------
    territory : ndarray of int64, shape (n_units,)
    head, following, previous : ndarray of int64
        Doubly linked lists of each territory's units.
    sums : ndarray of float64, shape (n_sites,)
        Cost of all units of the site's own territory from it.
    cost, totals : ndarray of float64, shape (n_territories,) and (n_measures, n_territories)
    centre : ndarray of int64, shape (n_territories,)
        The site of least sum; −1: the territory has none.
    """

    territory: NDArray[np.int64]
    head: NDArray[np.int64]
    following: NDArray[np.int64]
    previous: NDArray[np.int64]
    sums: NDArray[np.float64]
    cost: NDArray[np.float64]
    centre: NDArray[np.int64]
    totals: NDArray[np.float64]


def rules_of(problem: DistrictingProblem, site_start: NDArray[np.int64], near: NDArray[np.int32]) -> Rules:
    """Return the rules of a problem as walks read them."""
    lower, upper = problem.slack()
    usual = np.abs(problem.loads).sum(axis=1) / problem.n_territories
    return Rules(
        site_start,
        near.astype(np.int64),
        np.ascontiguousarray(problem.loads, np.float64),
        lower,
        upper,
        np.ascontiguousarray(problem.target, np.float64),
        np.ascontiguousarray(problem.target_weight, np.float64),
        np.where(usual > 0, usual, 1.0),
        problem.class_of.astype(np.int32),
        np.ascontiguousarray(problem.class_allowed),
        problem.fixed.astype(np.int32),
        bool(problem.class_allowed.all() and np.all(problem.fixed < 0)),
        bool(np.any(problem.lower > 0) and np.isfinite(problem.lower).any()),
    )


@njit(cache=True, nogil=True)
def rebuild(costs: SiteCosts, rules: Rules, state: State) -> None:
    """Compute everything from ``state.territory``: rounding errors of many moves do not add up."""
    n, m = state.territory.shape[0], state.head.shape[0]
    state.head[:] = -1
    state.totals[:] = 0.0
    for i in range(n - 1, -1, -1):
        t = state.territory[i]
        state.previous[i] = -1
        state.following[i] = state.head[t]
        if state.head[t] >= 0:
            state.previous[state.head[t]] = i
        state.head[t] = i
        for k in range(rules.loads.shape[0]):
            state.totals[k, t] += rules.loads[k, i]
    for t in range(m):
        state.cost[t] = costs.forbidden
        state.centre[t] = -1
        i = state.head[t]
        while i >= 0:
            for j in range(rules.site_start[i], rules.site_start[i + 1]):
                total = 0.0
                u = state.head[t]
                while u >= 0:
                    total += site_cost(costs, u, j)
                    u = state.following[u]
                state.sums[j] = total
                if total < state.cost[t] or state.centre[t] < 0:
                    state.cost[t] = total
                    state.centre[t] = j
            i = state.following[i]


@njit(cache=True, nogil=True)
def changed(costs: SiteCosts, rules: Rules, state: State, t: int, out: int, into: int) -> float:
    """Return the cost of territory ``t`` without unit ``out`` and with unit ``into`` (−1: none), best centre and all."""
    best = np.inf
    u = state.head[t]
    first = rules.site_start[into] if into >= 0 else 0
    last = rules.site_start[into + 1] if into >= 0 else 0
    own = 0.0
    while u >= 0:
        if u != out:
            for j in range(rules.site_start[u], rules.site_start[u + 1]):
                value = state.sums[j]
                if out >= 0:
                    value -= site_cost(costs, out, j)
                if into >= 0:
                    value += site_cost(costs, into, j)
                best = min(best, value)
            if last > first:
                own += site_cost(costs, u, first)
        u = state.following[u]
    if last > first:
        best = min(best, own + site_cost(costs, into, first))
        for j in range(first + 1, last):
            own = site_cost(costs, into, j)
            u = state.head[t]
            while u >= 0:
                if u != out:
                    own += site_cost(costs, u, j)
                u = state.following[u]
            best = min(best, own)
    return best if best < np.inf else costs.forbidden


@njit(cache=True, nogil=True)
def exchange(costs: SiteCosts, rules: Rules, state: State, t: int, out: int, into: int) -> None:
    """Take unit ``out`` from territory ``t`` and put unit ``into`` in (−1: none); ``into`` must be out of its old one."""
    if out >= 0:
        if state.previous[out] >= 0:
            state.following[state.previous[out]] = state.following[out]
        else:
            state.head[t] = state.following[out]
        if state.following[out] >= 0:
            state.previous[state.following[out]] = state.previous[out]
        for k in range(rules.loads.shape[0]):
            state.totals[k, t] -= rules.loads[k, out]
    u = state.head[t]
    while u >= 0:
        for j in range(rules.site_start[u], rules.site_start[u + 1]):
            if out >= 0:
                state.sums[j] -= site_cost(costs, out, j)
            if into >= 0:
                state.sums[j] += site_cost(costs, into, j)
        u = state.following[u]
    if into >= 0:
        state.previous[into] = -1
        state.following[into] = state.head[t]
        if state.head[t] >= 0:
            state.previous[state.head[t]] = into
        state.head[t] = into
        state.territory[into] = t
        for j in range(rules.site_start[into], rules.site_start[into + 1]):
            total = 0.0
            u = state.head[t]
            while u >= 0:
                total += site_cost(costs, u, j)
                u = state.following[u]
            state.sums[j] = total
        for k in range(rules.loads.shape[0]):
            state.totals[k, t] += rules.loads[k, into]
    state.cost[t] = costs.forbidden
    state.centre[t] = -1
    u = state.head[t]
    while u >= 0:
        for j in range(rules.site_start[u], rules.site_start[u + 1]):
            if state.sums[j] < state.cost[t] or state.centre[t] < 0:
                state.cost[t] = state.sums[j]
                state.centre[t] = j
        u = state.following[u]


@njit(cache=True, nogil=True)
def toll(rules: Rules, totals: NDArray[np.float64], price: float, t: int, out: int, into: int) -> float:
    """Return how the price of broken limits and missed targets of ``t`` changes with ``out`` out and ``into`` in."""
    delta = 0.0
    for k in range(totals.shape[0]):
        before = totals[k, t]
        after = before
        if out >= 0:
            after -= rules.loads[k, out]
        if into >= 0:
            after += rules.loads[k, into]
        change = max(0.0, after - rules.upper[k, t], rules.lower[k, t] - after)
        change -= max(0.0, before - rules.upper[k, t], rules.lower[k, t] - before)
        delta += price * change / rules.scale[k]
        if rules.target_weight[k] > 0.0:
            delta += rules.target_weight[k] * (abs(after - rules.target[k, t]) - abs(before - rules.target[k, t]))
    return delta


@njit(cache=True, nogil=True)
def violation(rules: Rules, state: State) -> float:
    """Return how far limits are broken, in usual loads of a territory."""
    total = 0.0
    for k in range(state.totals.shape[0]):
        for t in range(state.totals.shape[1]):
            load = state.totals[k, t]
            total += max(0.0, load - rules.upper[k, t], rules.lower[k, t] - load) / rules.scale[k]
    return total


@njit(cache=True, nogil=True)
def energy(rules: Rules, state: State) -> float:
    """Return the objective."""
    total = 0.0
    for t in range(state.cost.shape[0]):
        total += state.cost[t]
        for k in range(state.totals.shape[0]):
            if rules.target_weight[k] > 0.0:
                total += rules.target_weight[k] * abs(state.totals[k, t] - rules.target[k, t])
    return total


@njit(cache=True, nogil=True)
def draw(random: NDArray[np.uint64], below: int) -> int:
    """Return a whole number from 0 to ``below`` − 1 (xorshift; Marsaglia 2003)."""
    x = random[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[0] = x
    return np.int64((x >> np.uint64(32)) * np.uint64(below) >> np.uint64(32))  # type: ignore[return-value]  # an int in the loops


@njit(cache=True, nogil=True)
def neighbour(rules: Rules, random: NDArray[np.uint64], i: int) -> int:
    """Return a unit near ``i``, or near one near it."""
    k = rules.near.shape[1]
    r = draw(random, 2 * k)
    j: int = rules.near[i, r >> 1]
    if r & 1:
        j = rules.near[j, draw(random, k)]
    return j


@njit(cache=True, nogil=True)
def may(rules: Rules, i: int, t: int) -> bool:
    """Whether territory ``t`` may hold unit ``i``."""
    return bool(rules.class_allowed[rules.class_of[i], t]) and bool(rules.fixed[i] < 0 or rules.fixed[i] == t)


@njit(cache=True, nogil=True)
def hand_over(costs: SiteCosts, rules: Rules, state: State, price: float, i: int, b: int) -> float:
    """Move unit ``i`` to territory ``b``; return what the objective and the price of broken limits gain."""
    a = state.territory[i]
    delta = toll(rules, state.totals, price, a, i, NOBODY) + toll(rules, state.totals, price, b, NOBODY, i)
    before: float = state.cost[a] + state.cost[b]
    exchange(costs, rules, state, a, i, NOBODY)
    exchange(costs, rules, state, b, NOBODY, i)
    return delta - before + float(state.cost[a] + state.cost[b])
