"""Why a plan is impossible because too little may change hands: what today's alignment breaks, and the least that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from solvers.bounds import Prices, priced_bound
from solvers.infeasibility import is_certificate
from solvers.problem import LIMIT_SLACK
from solvers.whole import tightened
from territory_engine.disruption import current_alignment, fraction_for
from territory_engine.grammar import counted, listed
from territory_engine.infeasibility.conflicts import Conflict
from territory_engine.wording import limit_text, loads_are_whole, noun, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from solvers.districting.problem import Districts
    from solvers.result import SolveResult
    from territory_engine.disruption import CurrentAlignment
    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem

SHOWN = 8
"""So many limits that today's alignment breaks are named."""


@dataclass(frozen=True)
class FewestMoves:
    """How little must change hands, as fractions of the measure.

    Attributes
    ----------
    found : float or None
        What a plan was found with; None where none was.
    proved : float
        No plan that keeps the other rules moves less.
    """

    found: float | None
    proved: float


def over_budget(
    planning: PlanningProblem,
    model: Model,
    result: SolveResult | Districts,
    fewest: SolveResult | Districts,
    broken: Sequence[str] = (),
) -> Conflict:
    """Return the conflict of a limit on moves with the other rules, which can be kept without it.

    Parameters
    ----------
    planning : PlanningProblem
    model : Model
        With a limit on what changes hands.
    result : SolveResult or Districts
        Infeasible, of that model.
    fewest : SolveResult or Districts
        The fewest moves within the other rules.
    broken : sequence of str
        What today's alignment breaks beside limits and permissions, in words.
    """
    today = current_alignment(planning)
    assert today is not None
    prices, certificate, whole = _proof(model, result, fewest)
    least = FewestMoves(
        None if fewest.objective is None else fewest.objective / today.total,
        max(0.0, fewest.lower_bound or 0.0) / today.total,
    )
    fraction = planning.config.disruption.max_moved if planning.config.disruption else None
    protected = bool(planning.config.disruption and planning.config.disruption.protect)
    what = noun(today.measure)
    rules = [
        f"at most {_percent(fraction or 0.0)} may change hands: {_amount(today.limit)} of the {_amount(today.total)} {what}"
        f" with a rep today{', where protected accounts count more' if protected else ''}",
        *_broken_today(planning, model, today, broken),
        *(["every territory is in one piece"] if planning.units is not None else []),
    ]
    if least.proved * today.total > today.limit:
        told = _amount(least.proved * today.total)
        amount = f"at least {told} {noun(today.measure, float(told == '1'))} ({_percent(least.proved)})"
        rules.append(
            f"what moves in every plan that keeps the other rules counts {amount}, protection included"
            if protected
            else f"every plan that keeps the other rules moves {amount}"
        )
    relaxations = []
    if least.found is not None:
        best = "no plan moves less" if fewest.status == "optimal" else "a plan with so few moves was found"
        wanted = fraction_for(least.found)
        if wanted <= 1:
            relaxations.append(f"raise max_moved in [disruption] to {wanted:g}: {best}")
        else:
            relaxations.append(
                "remove max_moved from [disruption], or lower the weights in [[disruption.protect]]: what must move counts"
                f" {_percent(least.found)} with its protection, and no limit can be above 100 %"
            )
    record: dict[str, Any] = {
        "rules": rules,
        "relaxations": relaxations,
        "accounts": [],
        "certificate": certificate,
        "least_moved": {"fraction": least.found, "proved_fraction": least.proved},
    }
    return Conflict(record, prices, whole, certificate is not None)


def _percent(fraction: float) -> str:
    """Return a fraction as a percentage with four digits: enough to tell a limit from what is needed."""
    return f"{100 * fraction:.4g} %"


def _amount(value: float) -> str:
    """Return an amount with four digits and without what sums of floats leave behind them."""
    return number(value) if value >= 1000 else f"{value:.4g}"


def _proof(
    model: Model, result: SolveResult | Districts, fewest: SolveResult | Districts
) -> tuple[Prices, float | None, tuple[str, ...]]:
    """Return prices that prove it, what they prove, and the measures whose limits must be rounded for that."""
    problem, tight = model.problem, tightened(model.problem)
    rounded = (tight.lower != problem.lower) | (tight.upper != problem.upper)
    measures = tuple(rule.measure for rule, some in zip(model.rules, rounded.any(axis=1), strict=True) if some)
    for candidate in (Prices(fewest.prices.upper, fewest.prices.lower, moved=1.0), result.prices):
        for limits, whole in ((problem, ()), (tight, measures)):
            if candidate.upper.shape == problem.upper.shape and is_certificate(limits, candidate):
                return candidate, priced_bound(limits, candidate, costless=True), whole
    return Prices.zero(problem), None, ()


def _broken_today(planning: PlanningProblem, model: Model, today: CurrentAlignment, more: Sequence[str]) -> list[str]:
    """Return what today's alignment breaks, in words: limits, ``more``, accounts with the wrong rep, groups that are apart."""
    said = []
    problem, n_reps = model.problem, len(planning.reps)
    owned = np.flatnonzero(today.owner >= 0)
    for rule in model.rules:
        load = np.bincount(today.owner[owned], _loads_today(planning, rule.measure, owned, today), n_reps)
        whole = loads_are_whole(planning, rule.measure)
        for t in range(n_reps):
            rep, amount = planning.reps.index[t], f"{number(float(load[t]))} {noun(rule.measure, float(load[t]))}"
            if load[t] > rule.upper[t] + LIMIT_SLACK * max(1.0, abs(rule.upper[t])):
                most = limit_text(float(rule.upper[t]), "upper", whole=whole)
                said.append(f"today {rep} has {amount}, and may have at most {most}")
            elif load[t] < rule.lower[t] - LIMIT_SLACK * max(1.0, abs(rule.lower[t])):
                least = limit_text(float(rule.lower[t]), "lower", whole=whole)
                said.append(f"today {rep} has {amount}, and needs at least {least}")
    if len(said) > SHOWN:
        said = [*said[:SHOWN], f"and {counted(len(said) - SHOWN, 'more limit is', 'more limits are')} broken today"]
    said += more
    apart = _groups_apart(planning, model, today)
    if len(apart):
        said.append(
            f"{counted(len(apart), 'group goes', 'groups go')} to one rep each, and"
            f" {'is' if len(apart) == 1 else 'are'} with several today ({_some(apart)})"
        )
    wrong = _with_wrong_rep(model, problem.n_units, today)
    if len(wrong):
        said.append(
            f"{counted(len(wrong), 'account is', 'accounts are')} with a rep today who may not have"
            f" {'it' if len(wrong) == 1 else 'them'} ({_some([str(a) for a in planning.accounts.index[wrong]])})"
        )
    if not said:
        said.append("accounts without a rep today do not fit beside what everybody has")
    return said


def _some(names: list[str]) -> str:
    return listed(names) if len(names) <= 5 else f"{', '.join(names[:5])}, …"


def _loads_today(
    planning: PlanningProblem, measure: str, owned: NDArray[np.int64], today: CurrentAlignment
) -> NDArray[np.float64]:
    """Return the load of the owned accounts on their owners, shape ``(n_owned,)``; 0 where the table lacks the pair."""
    if not planning.load_depends_on_rep(measure):
        return planning.measure_values(measure)[owned]
    table = planning.travel_table
    assert table is not None
    pairs = pd.MultiIndex.from_arrays([planning.accounts.index[owned], planning.reps.index[today.owner[owned]]])
    loads = table.set_index(["account_id", "rep_id"])[measure].reindex(pairs)
    return np.asarray(np.nan_to_num(loads.to_numpy(np.float64)))


def _groups_apart(planning: PlanningProblem, model: Model, today: CurrentAlignment) -> list[str]:
    """Return the groups whose accounts have several reps today."""
    if planning.config.groups is None:
        return []
    owned = np.flatnonzero(today.owner >= 0)
    pairs = np.unique(np.column_stack([model.unit_of[owned], today.owner[owned]]), axis=0)
    units, reps = np.unique(pairs[:, 0], return_counts=True)
    names = planning.accounts[planning.config.groups.column].astype(str).to_numpy(object)
    _, first = np.unique(model.unit_of, return_index=True)
    return [str(names[first[unit]]) for unit in units[reps > 1]]


def _with_wrong_rep(model: Model, n_units: int, today: CurrentAlignment) -> NDArray[np.int64]:
    """Return the accounts whose rep of today may not have them: by list, travel, lock or group."""
    wrong = []
    rows = np.argsort(model.unit_of, kind="stable")
    ends = np.searchsorted(model.unit_of[rows], np.arange(n_units + 1))
    for first, last, block in model.problem.blocks():
        members = rows[ends[first] : ends[last]]
        members = members[today.owner[members] >= 0]
        bad = ~np.isfinite(block[model.unit_of[members] - first, today.owner[members]])
        wrong.append(members[bad])
    return np.sort(np.concatenate(wrong)) if wrong else np.empty(0, np.int64)
