"""Exact re-solves of a few territories at a time with CP-SAT, every hard rule in the model.

Model, for the free units i with candidate pairs (i, t) inside the neighbourhood::

    minimise Σ c_it x_it   subject to   Σ_t x_it = 1,   l_kt − f_kt ≤ Σ_i a_kit x_it ≤ u_kt − f_kt,   x binary

where f is the load of the units that stay. With ``penalty`` the limits may be broken at that price: that is how an
assignment that breaks limits is repaired. Integers are scaled by ``solvers.whole``. Soft targets add w |L − T| by
``solvers.deviation``.

Source: Shaw 1998, large neighbourhood search; Perron & Furnon, CP-SAT. One worker and a deterministic time limit a
model, so that the same seed gives the same answer on any machine.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ortools.sat.python import cp_model

from solvers.deviation import MOST, Targets, add_deviation, priced_loads, whole_costs
from solvers.problem import LIMIT_SLACK
from solvers.whole import to_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.candidates import Candidates


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Units to place again, and what is left of the limits for them.

    Attributes
    ----------
    units : ndarray of int64, shape (n_free,)
        Ascending.
    pairs : ndarray of int64, shape (n_pairs,)
        Candidate pairs that are open, grouped by unit in the order of ``units``.
    start : ndarray of int64, shape (n_free + 1,)
        Pairs of the free unit ``j`` are ``pairs[start[j]:start[j + 1]]``.
    territories : ndarray of int32, shape (n_territories_inside,)
    lower, upper : ndarray of float64, shape (n_measures, n_territories_inside)
        Limits less the load of the units that stay.
    targets : Targets
        Soft targets less the load of the units that stay.
    room : float
        The most of these units that may change hands; inf for no limit.
    """

    units: NDArray[np.int64]
    pairs: NDArray[np.int64]
    start: NDArray[np.int64]
    territories: NDArray[np.int32]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    targets: Targets
    room: float = np.inf


class Halt:
    """Lets another thread end the searches under way: a round that is cut short counts for nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[cp_model.CpSolver] = set()
        self.called = False

    def call(self) -> None:
        """End every search under way and every later one."""
        with self._lock:
            self.called = True
            for solver in self._running:
                solver.stop_search()

    def begin(self, solver: cp_model.CpSolver) -> None:
        """Put a search within reach of :meth:`call`."""
        with self._lock:
            self._running.add(solver)

    def end(self, solver: cp_model.CpSolver) -> None:
        """Take a finished search out of reach."""
        with self._lock:
            self._running.discard(solver)


@dataclass(frozen=True, eq=False)
class Answer:
    """What CP-SAT found.

    Attributes
    ----------
    pairs : ndarray of int64, shape (n_free,), or None
        The chosen pair of each free unit; None when nothing was found.
    bound : float
        Lower bound on the neighbourhood's own cost; +inf when it is proved infeasible.
    optimal : bool
        Proved: no better choice exists inside the neighbourhood.
    infeasible : bool
        Proved: no choice keeps the limits.
    """

    pairs: NDArray[np.int64] | None
    bound: float
    optimal: bool
    infeasible: bool


def open_neighbourhood(
    candidates: Candidates,
    pair: NDArray[np.int64],
    totals: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    territories: NDArray[np.int32],
    members: NDArray[np.int64],
    open_pair: NDArray[np.bool_],
    targets: Targets | None = None,
    room: float = np.inf,
) -> Neighbourhood:
    """Free the units of some territories, within the candidate pairs that are worth opening.

    Parameters
    ----------
    candidates : Candidates
    pair : ndarray of int64, shape (n_units,)
        Present pair of every unit.
    totals, lower, upper : ndarray, shape (n_measures, n_territories)
    territories : ndarray of int32
        The territories to open.
    members : ndarray of int64
        Their units, ascending.
    open_pair : ndarray of bool, shape (n_pairs,)
        Pairs that may appear in a better assignment (the present ones always may).
    targets : Targets or None
        Soft targets of all territories.
    room : float
        How much more than at present may change hands; inf where that is not limited.
    """
    inside = np.zeros(totals.shape[1], np.bool_)
    inside[territories] = True
    counts = np.diff(candidates.start)[members]
    rows = np.repeat(candidates.start[members], counts) + _ranges(counts)
    unit = np.repeat(np.arange(len(members)), counts)
    keep = (open_pair[rows] & inside[candidates.territory[rows]]) | (rows == pair[members][unit])
    rows, unit = rows[keep], unit[keep]
    width = np.bincount(unit, minlength=len(members))
    # A unit with one open pair stays where it is: its load belongs to the fixed part.
    free = width > 1
    keep = free[unit]
    rows = rows[keep]
    units = members[free]
    start = np.concatenate(([0], np.cumsum(width[free])))
    fixed = totals[:, territories].copy()
    position = np.full(totals.shape[1], -1)
    position[territories] = np.arange(len(territories))
    for k in range(totals.shape[0]):
        fixed[k] -= np.bincount(
            position[candidates.territory[pair[units]]], candidates.load[k, pair[units]], len(territories)
        )
    if targets is None:
        targets = Targets(np.zeros(lower.shape), np.zeros(len(lower)))
    return Neighbourhood(
        units,
        rows,
        start,
        territories,
        lower[:, territories] - fixed,
        upper[:, territories] - fixed,
        targets.inside(territories, fixed),
        room + float(candidates.moved[pair[units]].sum()) if np.isfinite(room) else np.inf,
    )


def _ranges(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0..c−1 for every count c, one after the other."""
    total = int(counts.sum())
    return np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)


def _to_improve_on(
    candidates: Candidates,
    hood: Neighbourhood,
    place: NDArray[np.int64],
    now: NDArray[np.int64],
    cost: NDArray[np.float64],
    *,
    bounded: bool,
) -> tuple[float, NDArray[np.float64]]:
    """Return the objective to improve on, and how far off its target each load is in any better answer.

    Parameters
    ----------
    candidates : Candidates
    hood : Neighbourhood
    place, cost : ndarray, shape (n_pairs,)
        Position of the territory of each open pair, and its cost.
    now : ndarray of int64, shape (n_free,)
        The present pair of each unit.
    bounded : bool
        Whether the present choice may be the answer, if it keeps the limits; otherwise any answer is an improvement.

    Returns
    -------
    value : float
    most : ndarray of float64, shape (n_measures, n_territories_inside)
    """
    targets, n_places = hood.targets, len(hood.territories)
    load = candidates.load[:, hood.pairs]
    loads = np.array([np.bincount(place[now], row[now], n_places) for row in load])
    total = np.array([np.bincount(place, row, n_places) for row in load])
    most = np.maximum(np.abs(targets.target), np.abs(total - targets.target))
    lower = hood.lower - LIMIT_SLACK * np.maximum(1, np.abs(hood.lower))
    upper = hood.upper + LIMIT_SLACK * np.maximum(1, np.abs(hood.upper))
    within = np.isinf(hood.room) or candidates.moved[hood.pairs[now]].sum() <= hood.room * (1 + 1e-12)
    if bounded and within and np.all(loads >= lower) and np.all(loads <= upper):
        value = float(cost[now].sum() + targets.cost(loads).sum())
        with np.errstate(divide="ignore", invalid="ignore"):
            return value, np.minimum(most, np.where(targets.weight > 0, value / targets.weight, 0.0)[:, None])
    dearest = np.maximum.reduceat(cost, hood.start[:-1]).sum()
    return float(dearest + (targets.weight[:, None] * most).sum()), most


def resolve(
    candidates: Candidates,
    hood: Neighbourhood,
    pair: NDArray[np.int64],
    *,
    effort: float,
    seed: int,
    penalty: NDArray[np.float64] | None = None,
    overspending: float = 0.0,
    halt: Halt | None = None,
) -> Answer:
    """Solve a neighbourhood.

    Parameters
    ----------
    candidates : Candidates
    hood : Neighbourhood
    pair : ndarray of int64, shape (n_units,)
        Present pairs: the solver's hint.
    effort : float
        CP-SAT's deterministic time limit (about seconds).
    seed : int
    penalty : ndarray of float64, shape (n_measures, n_territories), or None
        Price of a unit of violation; None keeps the limits hard.
    overspending : float
        With ``penalty``: the price of a unit that changes hands beyond the room for it.
    halt : Halt or None
        Through which another thread may end the search.
    """
    rows, starts = hood.pairs, hood.start
    n_free = len(hood.units)
    if n_free == 0:
        kept = bool(np.all(hood.lower <= LIMIT_SLACK * np.maximum(1, np.abs(hood.lower)))) and bool(
            np.all(hood.upper >= -LIMIT_SLACK * np.maximum(1, np.abs(hood.upper))) and hood.room >= 0
        )
        bound = float(hood.targets.cost(np.zeros(hood.lower.shape)).sum())
        return Answer(np.empty(0, np.int64), bound, kept, not kept and penalty is None)
    cost = candidates.cost[rows]
    floor = np.minimum.reduceat(cost, starts[:-1])
    excess_cost = cost - np.repeat(floor, np.diff(starts))
    position = {int(t): s for s, t in enumerate(hood.territories)}
    place = np.array([position[int(t)] for t in candidates.territory[rows]])
    now = np.flatnonzero(rows == np.repeat(pair[hood.units], np.diff(starts)))
    soft = hood.targets.soft
    if len(soft):
        present, far = _to_improve_on(candidates, hood, place, now, excess_cost, bounded=penalty is None)
        if present == 0:
            return Answer(rows[now], float(floor.sum()), True, False)
        dearest = float(np.maximum.reduceat(excess_cost, starts[:-1]).sum())
        whole_cost = whole_costs(excess_cost, present, dearest)
    else:
        whole_cost = to_whole(excess_cost)
    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in range(len(rows))]
    for j in range(n_free):
        model.add_exactly_one(chosen[starts[j] : starts[j + 1]])
    objective = [(chosen[q], int(c)) for q, c in enumerate(whole_cost.values) if c]
    by_place = [np.flatnonzero(place == s) for s in range(len(hood.territories))]
    heaviest = 0
    for k in range(candidates.load.shape[0]):
        whole = to_whole(candidates.load[k, rows])
        # An inexact load is rounded down by less than 1: the limits give that much, and the answer is checked again.
        give = 0 if whole.exact else n_free
        for s, inside in enumerate(by_place):
            low, high = hood.lower[k, s], hood.upper[k, s]
            total = int(whole.values[inside].sum())
            heaviest = max(heaviest, total)
            least = int(np.ceil(low * whole.scale - 1e-6)) - give if np.isfinite(low) else -(2**50)
            most = int(np.floor(high * whole.scale + 1e-6)) + give if np.isfinite(high) else 2**50
            if least <= 0 and most >= total:
                continue
            if penalty is None and (least > min(most, total) or most < 0):
                # OR-Tools 9.15 takes no notice of an empty range for a sum of no terms.
                return Answer(None, np.inf, False, True)
            load = cp_model.LinearExpr.weighted_sum([chosen[q] for q in inside], [int(v) for v in whole.values[inside]])
            if penalty is None:
                model.add_linear_constraint(
                    load, max(least, 0) if least <= 0 else least, min(most, total) if most >= 0 else most
                )
                continue
            price = penalty[k, hood.territories[s]] / whole.scale * whole_cost.scale
            # The model's sums must stay within 64 bits however far the limits are broken.
            price = int(np.clip(np.ceil(price), 1, 2**58 // max(1, total, abs(least)) // max(1, 2 * len(by_place))))
            if most < total:
                excess = model.new_int_var(0, max(0, total - min(most, total)) if most >= 0 else total - most, "")
                model.add(load - excess <= most)
                objective.append((excess, price))
            if least > 0:
                shortage = model.new_int_var(0, least, "")
                model.add(load + shortage >= least)
                objective.append((shortage, price))
    if np.isfinite(hood.room):
        whole = to_whole(candidates.moved[rows])
        most = int(np.floor(hood.room * whole.scale + 1e-6)) + (0 if whole.exact else n_free)
        total = int(whole.values.sum())
        moved = cp_model.LinearExpr.weighted_sum(chosen, [int(v) for v in whole.values])
        heaviest = max(heaviest, total)
        if penalty is None:
            if most < 0:
                return Answer(None, np.inf, False, True)
            if most < total:
                model.add(moved <= most)
        elif most < total:
            price = overspending / whole.scale * whole_cost.scale
            price = int(np.clip(np.ceil(price), 1, 2**58 // max(1, total, abs(most)) // 2))
            excess = model.new_int_var(0, total - most, "")
            model.add(moved - excess <= most)
            objective.append((excess, price))
    constant = 0
    for k in soft:
        whole, price = priced_loads(candidates.load[k, rows], float(hood.targets.weight[k]), whole_cost.scale)
        for s, inside in enumerate(by_place):
            deviation = add_deviation(
                model,
                cp_model.LinearExpr.weighted_sum([chosen[q] for q in inside], [int(v) for v in whole.values[inside]]),
                total=int(whole.values[inside].sum()),
                present=int(whole.values[now[place[now] == s]].sum()),
                aim=float(hood.targets.target[k, s]) * whole.scale,
                price=price,
                most=float(far[k, s]) * whole.scale,
                room=MOST / (len(soft) * len(by_place)),
                give=0 if whole.exact else n_free,
            )
            objective += deviation.terms
            constant += deviation.constant
            for variable, value in deviation.hints:
                model.add_hint(variable, value)
    total_cost = cp_model.LinearExpr.weighted_sum([v for v, _ in objective], [c for _, c in objective])
    model.minimize(total_cost + constant if constant else total_cost)
    for j in range(n_free):
        for q in range(starts[j], starts[j + 1]):
            model.add_hint(chosen[q], int(rows[q]) == int(pair[hood.units[j]]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = effort
    solver.parameters.random_seed = seed
    if len(soft) or heaviest >= 2**31:
        # OR-Tools 9.15 adds up 64-bit coefficients in 32 bits there and cuts off best answers (or-tools issue 5293).
        solver.parameters.presolve_inclusion_work_limit = 0
    # The command line decides what Ctrl-C means.
    solver.parameters.catch_sigint_signal = False
    halt = halt or Halt()
    halt.begin(solver)
    try:
        status = cp_model.UNKNOWN if halt.called else solver.solve(model)
    finally:
        halt.end(solver)
    if halt.called:
        return Answer(None, -np.inf, False, False)
    if status == cp_model.INFEASIBLE:
        return Answer(None, np.inf, False, True)
    bound = float(floor.sum()) + max(0.0, solver.best_objective_bound) / whole_cost.scale
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(None, bound, False, False)
    values = np.array([solver.boolean_value(v) for v in chosen])
    return Answer(rows[np.flatnonzero(values)], bound, status == cp_model.OPTIMAL, False)
