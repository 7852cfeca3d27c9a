"""From accounts and reps to the arrays that the solvers know, and back.

The only place that knows both languages: rows and columns there, account and rep IDs here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from solvers.disruption import DisruptedCosts, Disruption
from solvers.problem import LIMIT_SLACK, AssignmentProblem, CostSource, TableCosts, TravelCosts
from territory_engine.disruption import current_alignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.problem import BalanceRule, PlanningProblem


@dataclass(frozen=True, eq=False)
class Model:
    """The arrays of a planning problem.

    Attributes
    ----------
    problem : AssignmentProblem
        Units and territories; territory ``t`` is row ``t`` of the reps.
    unit_of : ndarray of int64, shape (n_accounts,)
        The unit each account belongs to: accounts of one group share one.
    rules : tuple of BalanceRule
        One per measure, in the order of the problem's measures.
    fixed : ndarray of int32, shape (n_units,)
        Territory a unit is locked to, −1 where it is free.
    eligible_reps : ndarray of int64, shape (n_units,)
        How many reps' lists allow the unit (locks and travel limits aside).
    travel_costs : CostSource or None
        What travel alone costs where there is a disruption; the problem's costs may hold a price on moves beside it.
    disruption : Disruption or None
        What changing hands counts, with its limit; None where it is neither limited nor priced.
    moved_weight : float
        Price per unit of disruption in the problem's costs.
    """

    problem: AssignmentProblem
    unit_of: NDArray[np.int64]
    rules: tuple[BalanceRule, ...]
    fixed: NDArray[np.int32]
    eligible_reps: NDArray[np.int64]
    travel_costs: CostSource | None = None
    disruption: Disruption | None = None
    moved_weight: float = 0.0


def build_model(planning: PlanningProblem) -> Model:
    """Return the arrays of a planning problem."""
    unit_of = units_of(planning)
    n_units = int(unit_of.max()) + 1 if len(unit_of) else 0
    rules = planning.balance_rules()
    allowed, class_of = eligibility_classes(planning, unit_of, n_units)
    fixed, contradictory = locked_units(planning, unit_of, n_units)
    if len(contradictory):
        # Locks that contradict each other inside a group leave no rep at all.
        allowed = np.vstack([allowed, np.zeros((1, allowed.shape[1]), np.bool_)])
        class_of[contradictory] = len(allowed) - 1
    shape = (len(rules), len(planning.reps))
    lower = np.array([r.lower for r in rules]).reshape(shape)
    upper = np.array([r.upper for r in rules]).reshape(shape)
    weight = np.array([r.target_weight or 0.0 for r in rules])
    # Without a weight the target is only reported; where loads depend on the rep there is none.
    target = np.array([r.target if r.target_weight else np.zeros(shape[1]) for r in rules]).reshape(shape)
    eligible_reps = allowed.sum(axis=1)[class_of]
    if planning.travel_table is not None:
        cost, loads, pair_loads = _from_table(planning, rules, unit_of, n_units, allowed[class_of], fixed)
        problem = AssignmentProblem(TableCosts(cost), loads, lower, upper, pair_loads, target, weight)
        return _with_disruption(planning, Model(problem, unit_of, rules, fixed, eligible_reps))
    order = np.argsort(unit_of, kind="stable")
    columns = ["x", "y"] if planning.config.travel.metric == "euclidean" else ["latitude", "longitude"]
    limit = planning.config.eligibility.max_travel if planning.config.eligibility else None
    costs = TravelCosts(
        member_start=np.searchsorted(unit_of[order], np.arange(n_units + 1)).astype(np.int64),
        points=planning.accounts[columns].to_numpy(np.float64)[order],
        weights=planning.weights()[order],
        centers=planning.reps[columns].to_numpy(np.float64),
        spherical=planning.config.travel.metric == "haversine",
        power=planning.config.travel.power,
        max_travel=np.inf if limit is None else limit,
        class_of=class_of,
        class_allowed=allowed,
        fixed=fixed,
    )
    loads = np.array([np.bincount(unit_of, planning.measure_values(r.measure), n_units) for r in rules]).reshape(
        len(rules), n_units
    )
    problem = AssignmentProblem(costs, loads, lower, upper, target=target, target_weight=weight)
    return _with_disruption(planning, Model(problem, unit_of, rules, fixed, eligible_reps))


def _with_disruption(planning: PlanningProblem, model: Model) -> Model:
    """Return the model with the limit and the price on what changes hands, where there are any."""
    today = current_alignment(planning)
    if today is None or not today.matters:
        return model
    problem = model.problem
    disruption = today.disruption(model.unit_of, problem.n_units)
    costs = problem.costs if today.weight == 0 else DisruptedCosts(problem.costs, disruption, today.weight)
    problem = replace(problem, costs=costs, disruption=disruption if disruption.limited else None)
    plain = model.problem.costs
    return replace(model, problem=problem, travel_costs=plain, disruption=disruption, moved_weight=today.weight)


def units_of(planning: PlanningProblem) -> NDArray[np.int64]:
    """Return the unit of every account, numbered in the order of their first account."""
    n = len(planning.accounts)
    if planning.config.groups is None:
        return np.arange(n)
    label = planning.accounts[planning.config.groups.column].astype(object).to_numpy()
    # A blank group means the account goes alone; the tuple keeps its key apart from any group's name.
    keys = [("group", str(v)) if str(v) != "" else ("alone", str(i)) for i, v in enumerate(label)]
    codes, _ = pd.factorize(pd.Series(keys, dtype=object))
    return codes.astype(np.int64)


def eligibility_classes(
    planning: PlanningProblem, unit_of: NDArray[np.int64], n_units: int
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Return which reps each class of units may go to, shape (n_classes, n_reps), and the class of every unit."""
    rule = planning.config.eligibility
    n_reps = len(planning.territory_ids)
    if rule is None or rule.column is None or rule.reps_column is None:
        return np.ones((1, n_reps), np.bool_), np.zeros(n_units, np.int32)
    lists = [{part.strip() for part in str(text).split(";")} for text in planning.reps[rule.reps_column]]
    codes, values = pd.factorize(planning.accounts[rule.column].astype(object))
    by_value = np.array([[str(v).strip() in known for known in lists] for v in values], np.bool_)
    by_value = by_value.reshape(len(values), n_reps)
    if n_units == len(unit_of):
        # Every account alone: as many classes as there are values.
        return by_value, codes.astype(np.int32)
    # A group may go where all its members may.
    pairs = np.unique(np.column_stack([unit_of, codes]), axis=0)
    first = np.flatnonzero(np.concatenate(([True], pairs[1:, 0] != pairs[:-1, 0])))
    packed = np.bitwise_and.reduceat(np.packbits(by_value, axis=1)[pairs[:, 1]], first, axis=0)
    kinds = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, example, class_of = np.unique(kinds, return_index=True, return_inverse=True)
    classes = np.unpackbits(packed[example], axis=1)[:, :n_reps].astype(np.bool_)
    return classes, class_of.ravel().astype(np.int32)


def locked_units(
    planning: PlanningProblem, unit_of: NDArray[np.int64], n_units: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the territory each unit is locked to (−1: free), and the units whose locks contradict each other."""
    fixed = np.full(n_units, -1, np.int32)
    if planning.config.locks is None:
        return fixed, np.empty(0, np.int64)
    reps = planning.reps.index.get_indexer(pd.Index(planning.accounts[planning.config.locks.column]))
    locked = np.flatnonzero(reps >= 0)
    fixed[unit_of[locked]] = reps[locked]
    contradictory = np.unique(unit_of[locked][fixed[unit_of[locked]] != reps[locked]])
    return fixed, contradictory


def _from_table(
    planning: PlanningProblem,
    rules: tuple[BalanceRule, ...],
    unit_of: NDArray[np.int64],
    n_units: int,
    allowed: NDArray[np.bool_],
    fixed: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Return costs, loads and loads by pair (None where none depend on the rep) where travel comes from a table.

    A pair that is not in it is not allowed.
    """
    table = planning.travel_table
    assert table is not None
    rep = planning.reps.index.get_indexer(pd.Index(table["rep_id"]))
    account = planning.accounts.index.get_indexer(pd.Index(table["account_id"]))
    n_accounts, n_reps = len(planning.accounts), len(planning.reps)
    travel = np.full((n_accounts, n_reps), np.inf)
    travel[account, rep] = table["cost"].to_numpy(np.float64)
    rule = planning.config.eligibility
    if rule is not None and rule.max_travel is not None:
        travel[travel > rule.max_travel * (1 + LIMIT_SLACK)] = np.inf
    # Weighed where there is a pair only: an account of weight 0 times a pair that is not allowed would be NaN, not inf.
    weighed = planning.weights()[:, None] * np.where(np.isinf(travel), 0.0, travel) ** planning.config.travel.power
    cost = _sum_by_unit(np.where(np.isinf(travel), np.inf, weighed), unit_of, n_units)
    cost[~allowed] = np.inf
    locked = np.flatnonzero(fixed >= 0)
    elsewhere = np.ones((len(locked), n_reps), np.bool_)
    elsewhere[np.arange(len(locked)), fixed[locked]] = False
    cost[locked] = np.where(elsewhere, np.inf, cost[locked])
    if not any(planning.load_depends_on_rep(r.measure) for r in rules):
        loads = np.array([np.bincount(unit_of, planning.measure_values(r.measure), n_units) for r in rules])
        return cost, loads.reshape(len(rules), n_units), None
    pair_loads = np.empty((len(rules), n_units, n_reps))
    for k, balance in enumerate(rules):
        if planning.load_depends_on_rep(balance.measure):
            values = np.zeros((n_accounts, n_reps))
            values[account, rep] = table[balance.measure].to_numpy(np.float64)
        else:
            values = np.broadcast_to(planning.measure_values(balance.measure)[:, None], (n_accounts, n_reps))
        pair_loads[k] = _sum_by_unit(values, unit_of, n_units)
    return cost, pair_loads.min(axis=2), pair_loads


def _sum_by_unit(values: NDArray[np.float64], unit_of: NDArray[np.int64], n_units: int) -> NDArray[np.float64]:
    """Return the rows of ``values`` added up by unit, shape ``(n_units, columns)``."""
    if n_units == len(unit_of):
        return np.array(values)
    total = np.zeros((n_units, values.shape[1]))
    np.add.at(total, unit_of, values)
    return total
