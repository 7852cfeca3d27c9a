"""Is there any assignment at all? And which limits make it impossible, found by searching again without each of them.

For what prices cannot prove: units that would fit if they could be split, but not whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from solvers.infeasibility import lumps_of
from solvers.ladder import solve
from solvers.problem import CACHE_PAIRS, AssignmentProblem, TableCosts
from solvers.stretch import Elastic, stretched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.infeasibility import Deadline
    from solvers.result import Progress, SolveResult

LARGE = 0.2
"""A unit is large from this fraction of the room between the limits."""

MOST_LARGE = 20_000

QUICK_S = 2.0
"""A search of one of many questions takes no longer than this."""


def find_any(problem: AssignmentProblem, *, time_limit_s: float, seed: int = 0) -> SolveResult:
    """Search until the first assignment that keeps every limit, a proof that there is none, or the time limit."""
    found = False

    def listen(progress: Progress) -> None:
        nonlocal found
        found = found or progress.objective is not None

    # Costs only slow this down, except that they tell pairs apart: prices need some. Soft targets are not in question.
    problem = problem.without_targets()
    return solve(problem, time_limit_s=time_limit_s, gap=1e-2, seed=seed, on_progress=listen, should_stop=lambda: found)


def fill(problem: AssignmentProblem, *, time_limit_s: float) -> NDArray[np.int32] | None:
    """Return some assignment that keeps every limit, without looking at costs; None where this quick way finds none.

    Large units go where most room is left. The others are spread as the relaxation says that stays farthest inside
    the limits, each to the territory that is furthest behind its part. For any number of units, if of few kinds.
    """
    if problem.n_measures == 0 or problem.n_units == 0 or problem.pair_loads is not None:
        return None
    assignment = np.full(problem.n_units, -1, np.int32)
    rest = _place_large(problem, assignment)
    small = np.flatnonzero(assignment < 0)
    if len(small):
        part = rest if len(small) == problem.n_units else _only(rest, small)
        if part is None:
            return None
        found = lumps_of(part)
        if found is None or not _spread_evenly(part, *found, assignment, small, time_limit_s):
            return None
    return assignment if problem.is_feasible(assignment) else None


def _place_large(problem: AssignmentProblem, assignment: NDArray[np.int32]) -> AssignmentProblem:
    """Place the units that are large beside the room between the limits; return the problem that they leave."""
    with np.errstate(invalid="ignore"):
        width = np.nan_to_num(problem.upper - problem.lower, nan=np.inf, posinf=np.inf)
    large = np.flatnonzero((problem.loads > LARGE * width.max(axis=1, keepdims=True)).any(axis=0))
    if len(large) == 0 or len(large) > MOST_LARGE:
        return problem
    room, owed = problem.upper.copy(), problem.lower.copy()
    size = np.maximum(problem.loads.mean(axis=1), 1e-300)[:, None]
    allowed = np.isfinite(problem.rows(large))
    for row in np.argsort(-(problem.loads[:, large] / size).max(axis=0), kind="stable"):
        load = problem.loads[:, large[row], None]
        left = np.minimum((room - load) / size, 1e12).min(axis=0)
        best = int(np.where(allowed[row], left, -np.inf).argmax())
        assignment[large[row]] = best
        room[:, best] -= load[:, 0]
        owed[:, best] -= load[:, 0]
    return problem.with_limits(owed, room)


def _only(problem: AssignmentProblem, units: NDArray[np.int64]) -> AssignmentProblem | None:
    """Return the problem with these units alone; None where it would be too large a table."""
    if len(units) * problem.n_territories > CACHE_PAIRS:
        return None
    table = np.empty((len(units), problem.n_territories))
    for first, last, block in problem.blocks():
        a, b = np.searchsorted(units, [first, last])
        table[a:b] = block[units[a:b] - first]
    pairs = None if problem.pair_loads is None else problem.pair_loads[:, units]
    loads = np.ascontiguousarray(problem.loads[:, units])
    return AssignmentProblem(TableCosts(table), loads, problem.lower, problem.upper, pairs)


def _spread_evenly(
    problem: AssignmentProblem,
    lumps: AssignmentProblem,
    label: NDArray[np.int64],
    assignment: NDArray[np.int32],
    units: NDArray[np.int64],
    time_limit_s: float,
) -> bool:
    """Assign the problem's units, which are ``units`` of ``assignment``; False where even split ones do not fit."""
    both = np.isfinite(problem.upper) & np.isfinite(problem.lower)
    with np.errstate(invalid="ignore"):
        # Half the way between two limits, a tenth inside a single one.
        width = np.where(both, (problem.upper - problem.lower) / 2, 0.0)
        width = np.where(~both & np.isfinite(problem.upper), np.abs(problem.upper) / 10, width)
        width = np.where(~both & np.isfinite(problem.lower), np.abs(problem.lower) / 10, width)
    elastic = Elastic(problem.upper - width, problem.lower + width, width, width)
    spread = stretched(lumps, elastic, each=True, time_limit_s=time_limit_s)
    if spread is None:
        return False
    size = np.maximum(problem.loads.sum(axis=1), 1e-300)[:, None] / problem.n_territories
    loads = np.ascontiguousarray(problem.loads / size)
    order = np.lexsort((-loads.max(axis=0), label))
    placed = np.empty(problem.n_units, np.int32)
    _spread(
        order,
        label[order],
        loads,
        spread.candidates.start,
        spread.candidates.territory,
        spread.share,
        np.ascontiguousarray(lumps.loads / size),
        problem.n_territories,
        placed,
    )
    assignment[units] = placed
    return True


@njit(cache=True)
def _spread(
    order: NDArray[np.int64],
    label: NDArray[np.int64],
    loads: NDArray[np.float64],
    start: NDArray[np.int64],
    territory: NDArray[np.int32],
    share: NDArray[np.float64],
    lump_loads: NDArray[np.float64],
    n_territories: int,
    assignment: NDArray[np.int32],
) -> None:
    """Give every unit to the territory most behind its part; what a lump could not even out is left to the next."""
    n_measures = loads.shape[0]
    behind = np.zeros((n_measures, n_territories))
    lump = -1
    for position in range(len(order)):
        unit = order[position]
        if label[position] != lump:
            lump = label[position]
            for pair in range(start[lump], start[lump + 1]):
                for k in range(n_measures):
                    behind[k, territory[pair]] += share[pair] * lump_loads[k, lump]
        best, most = -1, -np.inf
        for pair in range(start[lump], start[lump + 1]):
            if share[pair] <= 1e-9:
                continue
            t = territory[pair]
            value = 0.0
            for k in range(n_measures):
                rest = behind[k, t] - loads[k, unit]
                # How far from its part the territory would be afterwards, against how far it is now.
                value += behind[k, t] * behind[k, t] - rest * rest
            if value > most:
                best, most = t, value
        assignment[unit] = best
        for k in range(n_measures):
            behind[k, best] -= loads[k, unit]


def impossible(problem: AssignmentProblem, deadline: Deadline) -> bool:
    """Whether a quick search proves that no assignment keeps the limits; False when it cannot tell."""
    if deadline.passed:
        return False
    return find_any(problem, time_limit_s=deadline.within(QUICK_S).left_s).status == "infeasible"


def shrink_by_search(
    problem: AssignmentProblem, upper: NDArray[np.bool_], lower: NDArray[np.bool_], deadline: Deadline
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the limits without those that the impossibility does not need; as far as the time goes.

    Parameters
    ----------
    problem : AssignmentProblem
        Proved to have no assignment under the limits that the masks choose.
    upper, lower : ndarray of bool, shape (n_measures, n_territories)
    deadline : Deadline
    """
    masks = np.array([upper, lower])
    masks &= np.isfinite(np.array([problem.upper, problem.lower]))

    def still(trial: NDArray[np.bool_]) -> bool:
        limited = problem.with_limits(
            np.where(trial[1], problem.lower, -np.inf), np.where(trial[0], problem.upper, np.inf)
        )
        return impossible(limited, deadline)

    # Whole sides first, lower limits before upper ones: what is left is then easier to read.
    for side in (1, 0):
        for k in range(len(upper)):
            trial = masks.copy()
            trial[side, k] = False
            if masks[side, k].any() and still(trial):
                masks = trial
    for one in np.argwhere(masks)[::-1]:
        trial = masks.copy()
        trial[tuple(one)] = False
        if still(trial):
            masks = trial
    return masks[0], masks[1]


def fewest_units(problem: AssignmentProblem, deadline: Deadline) -> NDArray[np.int64]:
    """Return units that alone do not fit: the largest first, as few as found.

    Only for a problem without lower limits, where leaving a unit out can but help.
    """
    n = problem.n_units
    reach = np.concatenate([np.isfinite(block).sum(axis=1) for _, _, block in problem.blocks()])
    scale = np.where(np.isfinite(problem.upper), problem.upper, 0.0).max(axis=1, initial=0.0)
    weight = (problem.loads / np.where(scale > 0, scale, np.inf)[:, None]).max(axis=0)
    # Bound to few territories counts as large.
    order = np.lexsort((reach, -weight))

    def still(units: NDArray[np.int64]) -> bool:
        part = _only(problem, units)
        return part is not None and impossible(part, deadline)

    low, high = 0, n
    while high - low > 1 and not deadline.passed:
        middle = (low + high) // 2
        if still(np.sort(order[:middle])):
            high = middle
        else:
            low = middle
    kept = list(order[:high])
    if len(kept) <= 40:
        for unit in list(kept)[::-1]:
            rest = [u for u in kept if u != unit]
            if rest and still(np.sort(np.array(rest, np.int64))):
                kept = rest
    return np.sort(np.array(kept, np.int64))
