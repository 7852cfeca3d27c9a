"""Where a search for centres begins: spread-out sites, each with a territory's number, and units at the nearest.

Source: k-means++ (Arthur & Vassilvitskii 2007): each next site is drawn in proportion to what the units would still
cost. Where territories differ, numbers are matched to sites by linear assignment: who is locked to whom, who may hold
the units around, whose limits suit the load around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.districting.problem import DistrictingProblem


def spread_out(
    problem: DistrictingProblem, candidates: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return one candidate a territory, spread out, at random, with the nearest of them and its cost for every unit.

    Returns
    -------
    chosen : ndarray of int64, shape (n_territories,)
    nearest : ndarray of int64, shape (n_units,)
        Position in ``chosen``.
    cost : ndarray of float64, shape (n_units,)
    """
    m, n = problem.n_territories, problem.n_units
    home = problem.candidate_unit[candidates]
    # A candidate stands for its unit; one in no unit is drawn as often as a usual one.
    free = np.ones(len(candidates), np.bool_)
    chosen = np.empty(m, np.int64)
    nearest = np.zeros(n, np.int64)
    cost = np.full(n, np.inf)
    for t in range(m):
        if t == 0:
            appeal = np.ones(len(candidates))
        else:
            finite = np.isfinite(cost)
            far = np.where(finite, cost, 10 * max(float(cost[finite].max(initial=0.0)), 1e-9))
            appeal = np.where(home >= 0, far[np.maximum(home, 0)], far.mean())
        appeal = np.where(free, np.maximum(appeal, 0.0), 0.0)
        if appeal.sum() <= 0:
            appeal = free.astype(float)
        cumulative = np.cumsum(appeal)
        drawn = min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), len(candidates) - 1)
        if not free[drawn]:
            drawn = int(np.flatnonzero(free)[0])
        free[drawn] = False
        chosen[t] = candidates[drawn]
        column = problem.costs.columns(chosen[t : t + 1])[:, 0]
        closer = column < cost
        nearest[closer] = t
        cost[closer] = column[closer]
    return chosen, nearest, cost


def halved(problem: DistrictingProblem, places: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int32]:
    """Return an assignment by halving the map again and again, so that every territory has about its share of the load.

    Cuts go across the longer side of what is cut, along axes turned at random. Where territories must be filled, as
    lower limits say, this is a better start than spread-out sites, around which loads differ many times over.

    Parameters
    ----------
    places : ndarray, shape (n_units, 3)
    """
    n, m = problem.n_units, problem.n_territories
    mass, share = np.full(n, 1e-9 / n), np.full(m, 1e-9 / m)
    for row, lower, upper in zip(problem.loads, problem.lower, problem.upper, strict=True):
        total = float(np.abs(row).sum())
        if total > 0:
            mass += np.abs(row) / total
            low = np.where(np.isfinite(lower), np.maximum(lower, 0.0), 0.0)
            # Without an upper limit, or with one that binds nobody, the share is an equal one.
            middle = (low + np.minimum(np.where(np.isfinite(upper), upper, np.inf), 2 * total / m)) / 2
            share += np.maximum(middle, 1e-9 * total) / max(float(middle.sum()), 1e-300)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned = places @ turn
    assignment = np.zeros(n, np.int32)
    todo = [(np.arange(n), rng.permutation(m))]
    while todo:
        units, territories = todo.pop()
        if len(territories) == 1 or len(units) <= 1:
            assignment[units] = territories[0]
            continue
        along = turned[units, int(np.argmax(np.ptp(turned[units], axis=0)))]
        units = units[np.argsort(along, kind="stable")]
        half = len(territories) // 2
        part = float(share[territories[:half]].sum() / share[territories].sum())
        weight = np.cumsum(mass[units])
        cut = int(np.searchsorted(weight, part * weight[-1]))
        cut = min(max(cut, min(half, len(units) - 1)), len(units) - 1)
        todo += [(units[:cut], territories[:half]), (units[cut:], territories[half:])]
    return assignment if problem.alike else _renumbered(problem, places, assignment)


def _renumbered(problem: DistrictingProblem, places: NDArray[np.float64], part: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return parts of the map as the territories they suit best, with units elsewhere that may not be held there."""
    m = problem.n_territories
    housed = np.flatnonzero(problem.candidate_unit >= 0)
    home = problem.candidate_unit[housed]
    middle = np.column_stack(
        [np.bincount(part, x, m) / np.maximum(1, np.bincount(part, minlength=m)) for x in places.T]
    )
    away = ((places[home] - middle[part[home]]) ** 2).sum(axis=1)
    order = np.lexsort((away, part[home]))
    first, at = np.unique(part[home][order], return_index=True)
    site = np.full(m, housed[0])
    site[first] = housed[order[at]]
    territory_of = np.empty(m, np.int32)
    which = _matched(problem, site, part.astype(np.int64))
    territory_of[which] = np.arange(m, dtype=np.int32)
    assignment = territory_of[part]
    may = problem.may_hold()
    astray = np.flatnonzero(~may[np.arange(problem.n_units), assignment])
    table = np.minimum(problem.costs.submatrix(astray, site[which]), 1e300)
    assignment[astray] = np.where(may[astray], table, np.inf).argmin(axis=1)
    return assignment


def start_at(
    problem: DistrictingProblem, candidates: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return centres and an assignment to begin with: locks and classes are kept, limits perhaps not.

    Parameters
    ----------
    candidates : ndarray of int64
        At least as many as territories.

    Returns
    -------
    centres : ndarray of int64, shape (n_territories,)
    assignment : ndarray of int32, shape (n_units,)
    """
    chosen, nearest, _ = spread_out(problem, candidates, rng)
    if problem.alike:
        return chosen, _with_homes(problem, chosen, nearest.astype(np.int32))
    centres = chosen[_matched(problem, chosen, nearest)]
    may = problem.may_hold()
    assignment = np.zeros(problem.n_units, np.int32)
    step = max(1, 4_000_000 // problem.n_territories)
    for first in range(0, problem.n_units, step):
        units = np.arange(first, min(problem.n_units, first + step))
        table = problem.costs.submatrix(units, centres)
        # Not allowed by class or lock is worse than too far to travel.
        table = np.where(may[units], np.minimum(table, 1e300), np.inf)
        assignment[units] = np.argmin(table, axis=1)
    return centres, _with_homes(problem, centres, assignment)


def _with_homes(
    problem: DistrictingProblem, centres: NDArray[np.int64], assignment: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Return the assignment with the units of centres in their own territories, where these may hold them."""
    home = problem.candidate_unit[centres]
    for t in np.flatnonzero(home >= 0):
        i = home[t]
        if problem.class_allowed[problem.class_of[i], t] and problem.fixed[i] in {-1, t}:
            assignment[i] = t
    return assignment


def _matched(problem: DistrictingProblem, chosen: NDArray[np.int64], nearest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of the sites each territory gets, shape ``(n_territories,)``."""
    m = problem.n_territories
    misfit = np.zeros((m, m))
    # How much of the load around a site the territory may not hold, and by how much it is beyond its limits.
    for k, row in enumerate(problem.loads):
        usual = max(float(np.abs(row).sum()) / m, 1e-300)
        around = np.bincount(nearest, row, m)
        over = np.maximum(around[None, :] - problem.upper[k][:, None], problem.lower[k][:, None] - around[None, :])
        misfit += np.maximum(over, 0.0) / usual
        if problem.target_weight[k] > 0:
            misfit += np.abs(around[None, :] - problem.target[k][:, None]) / usual
    size = np.bincount(nearest, minlength=m)
    by_class = np.zeros((len(problem.class_allowed), m))
    np.add.at(by_class, (problem.class_of, nearest), 1.0)
    misfit += 4.0 * ((~problem.class_allowed).T.astype(float) @ by_class) / np.maximum(size, 1)
    # The site's own unit must be the territory's.
    home = problem.candidate_unit[chosen]
    own = np.maximum(home, 0)
    barred = ~problem.class_allowed[problem.class_of[own]].T
    barred |= (problem.fixed[own] >= 0)[None, :] & (problem.fixed[own][None, :] != np.arange(m)[:, None])
    misfit += np.where((home >= 0)[None, :] & barred, 1e4, 0.0)
    locked = np.flatnonzero(problem.fixed >= 0)
    if len(locked):
        table = problem.costs.submatrix(locked, chosen)
        table = np.minimum(table, 10 * max(float(table[np.isfinite(table)].max(initial=0.0)), 1e-9))
        pull = np.zeros((m, m))
        np.add.at(pull, problem.fixed[locked], table)
        misfit += 10.0 * pull / max(float(table.mean()), 1e-300) / max(1.0, len(locked) / m)
    _, sites = linear_sum_assignment(misfit)
    return np.asarray(sites, np.int64)
