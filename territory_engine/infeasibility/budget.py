"""Why a plan is impossible because too little may change hands: what today's alignment breaks, and the least that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.bounds import Prices, priced_bound
from solvers.infeasibility import is_certificate
from solvers.problem import LIMIT_SLACK
from solvers.whole import tightened
from territory_engine.disruption import current_alignment
from territory_engine.grammar import counted, listed
from territory_engine.infeasibility.conflicts import Conflict
from territory_engine.wording import limit_text, measure_label, noun, number, percent, rounded_up

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
    what = "" if today.measure == "count" else f" of {measure_label(today.measure)}"
    what = " accounts" if today.measure == "count" else what
    fraction = planning.config.disruption.max_moved if planning.config.disruption else None
    rules = [
        f"at most {percent(fraction or 0.0)} may change hands: {number(today.limit)} of {number(today.total)}{what}",
        *_broken_today(planning, model, today, broken),
        *(["every territory is in one piece"] if planning.units is not None else []),
        f"every plan that keeps the other rules moves at least {number(least.proved * today.total)}{what}"
        f" ({percent(least.proved)})",
    ]
    relaxations = []
    if least.found is not None:
        wanted = rounded_up(least.found)
        best = "the least there is" if fewest.status == "optimal" else "a plan with so few moves was found"
        relaxations.append(f"raise max_moved in [disruption] to {wanted:g}: {best}")
    record: dict[str, Any] = {
        "rules": rules,
        "relaxations": relaxations,
        "accounts": [],
        "certificate": certificate,
        "least_moved": {"fraction": least.found, "proved_fraction": least.proved},
    }
    return Conflict(record, prices, whole, certificate is not None)


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
    """Return what today's alignment breaks, in words: limits, then ``more``, then accounts whose rep may not have them."""
    said = []
    problem, n_reps = model.problem, len(planning.reps)
    owned = today.owner >= 0
    for rule in model.rules:
        if planning.load_depends_on_rep(rule.measure):
            continue
        load = np.bincount(today.owner[owned], planning.measure_values(rule.measure)[owned], n_reps)
        for t in range(n_reps):
            rep, amount = planning.reps.index[t], f"{number(float(load[t]))} {noun(rule.measure)}"
            if load[t] > rule.upper[t] + LIMIT_SLACK * max(1.0, abs(rule.upper[t])):
                most = limit_text(float(rule.upper[t]), "upper", whole=False)
                said.append(f"today {rep} has {amount}, and may have at most {most}")
            elif load[t] < rule.lower[t] - LIMIT_SLACK * max(1.0, abs(rule.lower[t])):
                least = limit_text(float(rule.lower[t]), "lower", whole=False)
                said.append(f"today {rep} has {amount}, and needs at least {least}")
    if len(said) > SHOWN:
        said = [*said[:SHOWN], f"and {counted(len(said) - SHOWN, 'more limit is', 'more limits are')} broken today"]
    said += more
    apart = _with_wrong_rep(model, problem.n_units, today)
    if len(apart):
        ids = listed([str(a) for a in planning.accounts.index[apart][:5]])
        said.append(
            f"{counted(len(apart), 'account is', 'accounts are')} with a rep today who may not have"
            f" {'it' if len(apart) == 1 else 'them'} ({ids}{', …' if len(apart) > 5 else ''})"
        )
    if not said:
        said.append("accounts without a rep today do not fit beside what everybody has")
    return said


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
