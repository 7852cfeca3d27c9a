"""What could go wrong with a plan although every rule holds: who is full, who depends on one account, what is far away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scenarios.at_limits import at_limits, reachable_limits
from scenarios.reported_measures import reported_loads, reported_measures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from territory_engine.plan import Plan
    from territory_engine.problem import BalanceRule, PlanningProblem

Severity = Literal["high", "medium", "low"]

DEPENDENCE_FRACTION = 0.25
"""A rep depends on one account from this fraction of what the rep has."""
HEAVY_DEPENDENCE_FRACTION = 0.5
LARGE_MOVE_FRACTION = 0.05
"""An account that changes hands is large from this fraction of what its new rep has."""
LONG_DRIVE_FACTOR = 2.0
"""A drive is long beyond this many times the longest drive of the median rep."""
LEAST_CAPACITY_FRACTION = 0.5
"""Capacities that together are a smaller part of all load than this are relative sizes, not amounts of the measure."""

KINDS = (
    "over_limit", "over_capacity", "under_limit", "indivisible", "dependence", "at_upper", "large_move", "no_place", "long_drive",
    "at_lower", "by_postal_code",
)  # fmt: skip
"""Every kind of risk that is looked for; of equal severity they come in this order."""
_SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Case:
    """A rep, or an account, that a risk is about.

    Attributes
    ----------
    territory_id : str
    account_id : str
        ``""`` where it is about all that the rep has.
    value : float
        Load in the measure's unit, fraction of the rep's load, or travel, by the kind of risk.
    limit : float
        What `value` is compared with; NaN where it is compared with the risk's own threshold.
    top_three : float
        With ``"dependence"``: the fraction of the three largest accounts; NaN otherwise.
    """

    territory_id: str
    account_id: str = ""
    value: float = math.nan
    limit: float = math.nan
    top_three: float = math.nan


@dataclass(frozen=True)
class Risk:
    """One kind of risk, in one measure, with everybody it is about.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    severity : {"high", "medium", "low"}
    cases : tuple of Case
        The worst first; not empty.
    measure : str
        ``""`` where it is about travel or places.
    threshold : float
        From where on it counts, in the unit of the cases' values; NaN where each case has its own limit.
    """

    kind: str
    severity: Severity
    cases: tuple[Case, ...]
    measure: str = ""
    threshold: float = math.nan


def plan_risks(problem: PlanningProblem, plan: Plan) -> tuple[Risk, ...]:
    """Return what a plan risks, the most severe first; nothing for an infeasible plan.

    Parameters
    ----------
    problem : PlanningProblem
    plan : Plan

    Returns
    -------
    tuple of Risk
        ``over_limit``, ``under_limit``
            A load outside its limits: in a plan of ours there is none.
        ``over_capacity``
            A load above the reps column that its shares are by, where that is called ``capacity`` or ``capacity_…``
            and holds amounts of the measure (:data:`LEAST_CAPACITY_FRACTION`), not relative sizes such as 0.8 of a rep.
        ``at_upper``, ``at_lower``
            A load at its limit (:func:`scenarios.at_limits.at_limits`).
        ``indivisible``
            An account, group or geographic unit that alone is more than the share that its rep's load is to be near, so
            that no plan balances it.
        ``dependence``
            An account with at least :data:`DEPENDENCE_FRACTION` of what its rep has; high from
            :data:`HEAVY_DEPENDENCE_FRACTION`.
        ``large_move``
            An account that changes hands, from a rep or from somebody who left, with at least
            :data:`LARGE_MOVE_FRACTION` of what its new rep has.
        ``no_place``, ``by_postal_code``
            Accounts assigned without travel, or placed by their postal code alone.
        ``long_drive``
            Travel beyond :data:`LONG_DRIVE_FACTOR` × the median over reps of their longest.

        Parts of a whole are told of measures of which no account has less than 0.
    """
    if plan.objective is None or not len(plan.territories):
        return ()
    view = _View(problem, plan)
    found = [risk for risk in (*_of_limits(view), *_of_accounts(view), *_of_places(view)) if risk.cases]
    return tuple(sorted(found, key=lambda r: (_SEVERITIES.index(r.severity), KINDS.index(r.kind))))


def capacity_risks(problem: PlanningProblem, plan: Plan) -> tuple[Risk, ...]:
    """Return only the ``over_capacity`` of :func:`plan_risks`, the measures in their order."""
    if plan.objective is None or not len(plan.territories):
        return ()
    found = _of_capacity(_View(problem, plan), problem.balance_rules())
    return tuple(risk for risk in found if risk.cases)


def kinds_looked_for(problem: PlanningProblem, plan: Plan) -> frozenset[str]:
    """Return the kinds of :data:`KINDS` that a plan of a problem could have: none of limits where there are no limits."""
    rules = problem.balance_rules()
    upper = any(np.isfinite(rule.upper).any() for rule in rules)
    lower = any((np.isfinite(rule.lower) & (rule.lower > 0)).any() for rule in rules)
    places = problem.travel_table is None and "location_source" in problem.accounts
    told = bool(reported_measures(problem))
    asked = {
        "over_limit": upper or lower,
        "under_limit": lower,
        "over_capacity": any(capacity_columns(problem, rule.measure) for rule in rules),
        "at_upper": upper,
        "at_lower": lower,
        "indivisible": any(_is_balanced(rule) for rule in rules),
        "dependence": told,
        "large_move": told and bool((plan.assignments["previous_rep_id"].astype(str) != "").any()),
        "no_place": places,
        "by_postal_code": places,
        "long_drive": bool(np.isfinite(plan.assignments["travel"].to_numpy(np.float64)).any()),
    }
    return frozenset(kind for kind, is_asked in asked.items() if is_asked)


class _View:
    """A plan as arrays: accounts' territories by row, loads and travel."""

    def __init__(self, problem: PlanningProblem, plan: Plan) -> None:
        self.problem, self.plan = problem, plan
        self.ids = [str(i) for i in plan.territories.index]
        self.place = problem.territory_ids.get_indexer(plan.territories.index)

    @cached_property
    def accounts(self) -> list[str]:
        """IDs of the accounts."""
        return [str(i) for i in self.problem.accounts.index]

    @cached_property
    def _assigned(self) -> pd.DataFrame:
        return self.plan.assignments.reindex(self.problem.accounts.index)

    @cached_property
    def territory(self) -> NDArray[np.intp]:
        """Row of every account's territory, shape ``(n_accounts,)``; −1 for none."""
        return np.asarray(self.plan.territories.index.get_indexer(pd.Index(self._assigned["territory_id"])), np.intp)

    @cached_property
    def owner(self) -> NDArray[np.intp]:
        """Row of every account's rep, shape ``(n_accounts,)``; −1 for none."""
        return np.asarray(self.problem.reps.index.get_indexer(pd.Index(self._assigned["rep_id"])), np.intp)

    @cached_property
    def travel(self) -> NDArray[np.float64]:
        """Travel of every account, shape ``(n_accounts,)``."""
        return self._assigned["travel"].to_numpy(np.float64)

    @cached_property
    def new_rep(self) -> NDArray[np.bool_]:
        """Which accounts change hands, shape ``(n_accounts,)``.

        Also from somebody who left: the customer meets a new face all the same.
        """
        before, now = (self._assigned[c].fillna("").astype(str).to_numpy(object) for c in ("previous_rep_id", "rep_id"))
        return np.asarray((before != "") & (before != now), np.bool_)

    def loads(self, measure: str) -> NDArray[np.float64]:
        """Load of every account, shape ``(n_accounts,)``."""
        return reported_loads(self.problem, measure, self.owner)

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of accounts' values per territory, shape ``(n_territories,)``."""
        here = self.territory >= 0
        return np.bincount(self.territory[here], values[here], len(self.ids)).astype(np.float64)

    def load_of(self, rule: BalanceRule) -> NDArray[np.float64]:
        """Load of every territory as the plan has it, shape ``(n_territories,)``."""
        column = self.plan.load_column(rule.measure)
        if column not in self.plan.territories:
            return self.total(self.loads(rule.measure))
        return self.plan.territories[column].to_numpy(np.float64)


def _of_limits(view: _View) -> Iterator[Risk]:
    for rule in view.problem.balance_rules():
        load = view.load_of(rule)
        upper, lower = rule.upper[view.place], rule.lower[view.place]
        slack = _ROUNDING * (1 + np.abs(load))
        over, under = load > upper + slack, load < lower - slack
        yield _about(view, "over_limit", "high", rule.measure, over, load, upper, worst=load - upper)
        yield _about(view, "under_limit", "high", rule.measure, under, load, lower, worst=lower - load)
        yield from _of_capacity(view, (rule,))
        least, most = (limit[view.place] for limit in reachable_limits(view.problem, rule))
        at_upper, at_lower = at_limits(load, least, most)
        yield _about(view, "at_upper", "medium", rule.measure, at_upper & ~over, load, upper, worst=load)
        yield _about(view, "at_lower", "low", rule.measure, at_lower & ~under, load, lower, worst=-load)


def _of_capacity(view: _View, rules: Iterable[BalanceRule]) -> Iterator[Risk]:
    for rule in rules:
        for column in capacity_columns(view.problem, rule.measure):
            load, room = view.load_of(rule), view.problem.reps[column].to_numpy(np.float64)[view.place]
            above = load > room + _ROUNDING * (1 + np.abs(load))
            yield _about(view, "over_capacity", "high", rule.measure, above, load, room, worst=load / room)


def capacity_columns(problem: PlanningProblem, measure: str) -> list[str]:
    """Return the reps columns that say how much of a measure each rep can take: they share it out, and are called so."""
    if problem.load_depends_on_rep(measure):
        return []
    named = dict.fromkeys(b.share for b in problem.config.balance if b.measure == measure and b.share)
    least = LEAST_CAPACITY_FRACTION * float(problem.measure_values(measure).sum())
    return [
        c
        for c in named
        if (c == "capacity" or c.startswith("capacity_")) and float(problem.reps[c].to_numpy(np.float64).sum()) >= least
    ]


def _is_balanced(rule: BalanceRule) -> bool:
    """Whether loads are to be near a share, rather than only within limits."""
    return rule.tolerance_fraction is not None or bool(rule.target_weight)


def _about(
    view: _View,
    kind: str,
    severity: Severity,
    measure: str,
    hit: NDArray[np.bool_],
    value: NDArray[np.float64],
    limit: NDArray[np.float64],
    *,
    worst: NDArray[np.float64],
) -> Risk:
    rows = np.flatnonzero(hit)
    rows = rows[np.argsort(-worst[rows], kind="stable")]
    cases = tuple(Case(view.ids[t], "", float(value[t]), float(limit[t])) for t in rows.tolist())
    return Risk(kind, severity, cases, measure)


def _of_accounts(view: _View) -> Iterator[Risk]:
    rules = {rule.measure: rule for rule in view.problem.balance_rules()}
    for measure in reported_measures(view.problem):
        load = view.loads(measure)
        if (load < 0).any():
            continue  # with returns or credits among them, amounts are no parts of a whole
        total = view.total(load)
        if measure in rules and _is_balanced(rules[measure]) and not view.problem.load_depends_on_rep(measure):
            yield _indivisible(view, measure, load, rules[measure])
        yield from _dependence(view, measure, load, total)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(total[view.territory] > 0, load / total[view.territory], 0.0)
        rows = np.flatnonzero(view.new_rep & (part >= LARGE_MOVE_FRACTION))
        yield _of_rows(view, "large_move", "medium", measure, rows, part, LARGE_MOVE_FRACTION)


def _indivisible(view: _View, measure: str, load: NDArray[np.float64], rule: BalanceRule) -> Risk:
    """Return what is assigned whole and is more than its rep's share; told by its largest account."""
    problem = view.problem
    whole = np.arange(len(load))
    if problem.units is not None:
        whole = np.asarray(problem.units.unit_of, np.intp)
    elif problem.config.groups is not None:
        group = problem.accounts[problem.config.groups.column].astype(str)
        alone = np.array([f"\0{i}" for i in range(len(load))], object)
        whole = np.unique(np.where(group == "", alone, group.to_numpy(object)).astype(str), return_inverse=True)[1]
    together = np.bincount(whole, load)
    share = rule.target[view.place][view.territory]
    largest = np.lexsort((-load, whole))
    first = largest[np.r_[True, whole[largest][1:] != whole[largest][:-1]]] if len(load) else largest
    rows = first[together[whole[first]] > share[first] * (1 + _ROUNDING)]
    rows = rows[np.argsort(-together[whole[rows]], kind="stable")]
    cases = tuple(
        Case(view.ids[view.territory[i]], view.accounts[i], float(together[whole[i]]), float(share[i]))
        for i in rows.tolist()
    )
    return Risk("indivisible", "high", cases, measure)


def _dependence(view: _View, measure: str, load: NDArray[np.float64], total: NDArray[np.float64]) -> Iterator[Risk]:
    order = np.lexsort((-load, view.territory))
    order = order[view.territory[order] >= 0]
    start = np.searchsorted(view.territory[order], np.arange(len(view.ids) + 1))
    heavy: list[Case] = []
    some: list[Case] = []
    for t in range(len(view.ids)):
        mine = order[start[t] : start[t + 1]]
        # With one account there is nothing to depend on but that.
        if len(mine) < 2 or not total[t] > 0:
            continue
        part = float(load[mine[0]] / total[t])
        if part >= DEPENDENCE_FRACTION:
            case = Case(view.ids[t], view.accounts[mine[0]], part, top_three=float(load[mine[:3]].sum() / total[t]))
            (heavy if part >= HEAVY_DEPENDENCE_FRACTION else some).append(case)
    for cases, threshold in ((heavy, HEAVY_DEPENDENCE_FRACTION), (some, DEPENDENCE_FRACTION)):
        severity: Severity = "high" if cases is heavy else "medium"
        yield Risk("dependence", severity, tuple(sorted(cases, key=lambda c: -c.value)), measure, threshold)


def _of_places(view: _View) -> Iterator[Risk]:
    nothing = np.full(len(view.travel), math.nan)
    source = view.problem.accounts.get("location_source")
    if source is not None and view.problem.travel_table is None:
        nowhere, by_code = (np.flatnonzero((source == said).to_numpy()) for said in ("none", "postal_code"))
        yield _of_rows(view, "no_place", "medium", "", nowhere, nothing, math.nan)
        yield _of_rows(view, "by_postal_code", "low", "", by_code, nothing, math.nan)
    longest = np.full(len(view.ids), -math.inf)
    known = np.isfinite(view.travel) & (view.territory >= 0)
    np.maximum.at(longest, view.territory[known], view.travel[known])
    if np.isfinite(longest).any():
        far = LONG_DRIVE_FACTOR * float(np.median(longest[np.isfinite(longest)]))
        rows = np.flatnonzero(known & (np.nan_to_num(view.travel) > far))
        yield _of_rows(view, "long_drive", "low", "", rows, view.travel, far)


def _of_rows(
    view: _View,
    kind: str,
    severity: Severity,
    measure: str,
    rows: NDArray[np.intp],
    value: NDArray[np.float64],
    threshold: float,
) -> Risk:
    rows = rows[np.argsort(-np.nan_to_num(value[rows]), kind="stable")]
    cases = tuple(
        Case(view.ids[view.territory[i]] if view.territory[i] >= 0 else "", view.accounts[i], float(value[i]))
        for i in rows.tolist()
    )
    return Risk(kind, severity, cases, measure, threshold)
