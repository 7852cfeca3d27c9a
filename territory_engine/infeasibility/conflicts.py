"""Why no plan is possible, in the planner's words, and the least change that makes one possible.

The cheap reasons come first: an account that no rep may serve, or that is too large for any. Then limits that clash
even if accounts could be split, proved by prices and shrunk to the fewest limits that still clash. Last, limits that
clash because accounts are whole, which only a search proves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.bounds import Prices, priced_bound
from solvers.feasibility import fewest_units, find_any, impossible, shrink_by_search
from solvers.infeasibility import Deadline, crossed_limits, is_certificate, oversized_units, stranded_units
from solvers.limit_conflicts import LimitCheck, LimitConflict
from solvers.whole import tightened
from territory_engine.grammar import counted
from territory_engine.infeasibility.conflict_wording import exactly, figures, names, origin
from territory_engine.infeasibility.explanation import Explanation
from territory_engine.infeasibility.limit_sentences import explain_cut, limit_list, structure_sentences
from territory_engine.infeasibility.permissions import Permissions
from territory_engine.infeasibility.relaxations import find_relaxations
from territory_engine.infeasibility.rule_edits import Unlock, without
from territory_engine.infeasibility.stranded import SENTENCES, explain_oversized, explain_stranded
from territory_engine.model import build_model
from territory_engine.wording import noun, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from solvers.problem import AssignmentProblem
    from solvers.result import SolveResult
    from territory_engine.model import Model
    from territory_engine.problem import PlanningProblem

LONGEST_S = 20.0
"""Explaining takes at most this, and at most a third of the time that solving may take."""

FURTHER = 4
"""So many more conflicts are named that have nothing to do with the first one."""

STRUCTURE = ("group", "travel", "list", "lock")
"""Rules other than limits, in the order in which they are left out to see whether the conflict needs them."""


@dataclass(frozen=True, eq=False)
class Conflict:
    """A conflict as a plan keeps it.

    Attributes
    ----------
    record : dict
        ``rules`` (sentences), ``relaxations`` (sentences, cheapest first), ``accounts`` (IDs concerned; none when it
        is all of them), ``certificate`` (a number > 0 that the prices prove, or None where no prices are needed or
        only a search proves it); where a relaxation unlocks accounts, ``unlock`` (the IDs of all of them).
    prices : Prices
        What proves it, as far as prices do.
    whole_measures : tuple of str
        Measures whose limits must be rounded to whole numbers for the prices to prove it.
    by_prices : bool
        Whether no search is needed to see it: prices, or an account that no rep may serve or has room for.
    """

    record: dict[str, Any]
    prices: Prices
    whole_measures: tuple[str, ...]
    by_prices: bool


def describe_conflict(problem: PlanningProblem, model: Model, result: SolveResult) -> Conflict:
    """Return the smallest conflict found and what would mend it.

    Parameters
    ----------
    problem : PlanningProblem
    model : Model
        Of this problem.
    result : SolveResult
        With status ``"infeasible"``.
    """
    deadline = Deadline(min(LONGEST_S, problem.config.solve.time_limit_s / 3))
    permissions = Permissions(problem, model)
    tight = tightened(model.problem)
    explanation = explain(permissions, tight, result, deadline.within(deadline.left_s * 0.4))
    relaxations, sentences = find_relaxations(permissions, explanation, deadline, _explain_again)
    prices: Prices | None = None
    certificate: float | None = None
    whole: tuple[str, ...] = ()
    known = Prices(result.upper_prices, result.lower_prices)
    for candidate in () if explanation.prices is None else (explanation.prices, known):
        # What is stored must prove the claim by itself: on the limits as written, or else on the rounded ones.
        for limits, measures in ((model.problem, ()), (tight, _rounded_measures(model, tight))):
            if prices is None and is_certificate(limits, candidate):
                prices, whole = candidate, measures
                certificate = priced_bound(limits, candidate, costless=True)
    record: dict[str, Any] = {
        "rules": list(explanation.rules),
        "relaxations": sentences,
        "accounts": [str(a) for a in problem.accounts.index[explanation.rows]],
        "certificate": certificate,
    }
    freed = [edit.rows for r in relaxations for edit in r.edits if isinstance(edit, Unlock)]
    if freed:
        # The sentence may not name them all.
        record["unlock"] = [str(a) for a in problem.accounts.index[list(freed[0])]]
    evident = explanation.prices is None and result.proof.get("kind") != "search"
    by_prices = prices is not None or evident
    return Conflict(record, prices or Prices.zero(model.problem), whole, by_prices)


def _explain_again(permissions: Permissions, deadline: Deadline) -> Explanation | None:
    """Return the conflict of a problem that was changed; None where none is proved."""
    tight = tightened(permissions.model.problem)
    result = find_any(tight, time_limit_s=deadline.left_s)
    return explain(permissions, tight, result, deadline) if result.status == "infeasible" else None


def _rounded_measures(model: Model, tight: AssignmentProblem) -> tuple[str, ...]:
    changed = (tight.lower != model.problem.lower) | (tight.upper != model.problem.upper)
    return tuple(rule.measure for rule, moved in zip(model.rules, changed.any(axis=1), strict=True) if moved)


def explain(permissions: Permissions, tight: AssignmentProblem, result: SolveResult, deadline: Deadline) -> Explanation:
    """Return the smallest conflict found, in words."""
    stranded = stranded_units(tight)
    if len(stranded):
        return explain_stranded(permissions, stranded)
    oversized = oversized_units(tight)
    if len(oversized):
        return explain_oversized(permissions, oversized)
    crossed = crossed_limits(tight)
    if crossed is not None:
        return _explain_crossed(permissions, tight, crossed)
    check = LimitCheck(tight)
    upper, lower = np.isfinite(tight.upper), np.isfinite(tight.lower)
    conflict = check.smallest(upper, lower, deadline)
    if conflict is None and is_certificate(tight, Prices(result.upper_prices, result.lower_prices)):
        prices = Prices(result.upper_prices, result.lower_prices)
        conflict = LimitConflict(prices.upper > 0, prices.lower > 0, prices)
    if conflict is None:
        return _explain_search(permissions, tight, upper, lower, deadline)
    if not conflict.is_cut:
        return _explain_priced(permissions, conflict, deadline)
    first = explain_cut(permissions, conflict, tight)
    return _with_further(permissions, tight, check, first, deadline)


def _with_further(
    permissions: Permissions, tight: AssignmentProblem, check: LimitCheck, first: Explanation, deadline: Deadline
) -> Explanation:
    """Return the explanation with conflicts named that share neither a limit nor another rule with it."""
    upper, lower = np.isfinite(tight.upper), np.isfinite(tight.lower)
    found, latest = [first], first
    for _ in range(2 * FURTHER):
        upper, lower = upper & ~latest.upper, lower & ~latest.lower
        conflict = None if deadline.passed or len(found) > FURTHER else check.smallest(upper, lower, deadline)
        if conflict is None or not conflict.is_cut:
            break
        latest = explain_cut(permissions, conflict, tight)
        # Locks that give one rep too much leave the others too little: that is the same conflict seen from behind.
        if not any(_overlap(latest, e) for e in found):
            found.append(latest)
    if len(found) == 1:
        return first
    return replace(
        first,
        rules=(*first.rules, *(f"independently of that: {e.rules[0]}" for e in found[1:])),
        rows=first.rows if not len(first.rows) else np.unique(np.concatenate([e.rows for e in found])),
        upper=np.logical_or.reduce([e.upper for e in found]),
        lower=np.logical_or.reduce([e.lower for e in found]),
        kinds=frozenset().union(*(e.kinds for e in found)),
        groups=tuple(dict.fromkeys(g for e in found for g in e.groups)),
    )


def _overlap(one: Explanation, other: Explanation) -> bool:
    """Whether two explanations rest on a rule in common, or on nothing but limits of one measure."""
    if one.reasons and other.reasons:
        return bool(one.reasons & other.reasons)
    return bool(set(one.measures) & set(other.measures))


def _explain_crossed(permissions: Permissions, tight: AssignmentProblem, prices: Prices) -> Explanation:
    model, planning = permissions.model, permissions.planning
    crossed = tight.lower > tight.upper
    alike: dict[tuple[int, float, float], list[int]] = {}
    for k, t in np.argwhere(crossed):
        alike.setdefault((int(k), model.problem.lower[k, t], model.problem.upper[k, t]), []).append(int(t))
    rules = []
    for (k, low, high), reps in list(alike.items())[:SENTENCES]:
        rule = model.rules[k]
        who, at = names([planning.reps.index[t] for t in reps]), np.array(reps)
        each = "each " if len(reps) > 1 else ""
        a, b = figures(low, high)
        if low <= high and not ("." in a and "." in b):
            # Rounded to whole numbers they would seem to be some.
            a, b = exactly(low), exactly(high)
        subject = noun(rule.measure).removeprefix("of ")
        least, most = (_in_brackets(origin(planning, rule, side, at)) for side in ("lower", "upper"))
        if low <= high:
            rules.append(
                f"{subject}: {who} must {each}have at least {a}{least} and at most {b}{most}, and no whole number lies"
                " between the two"
            )
        else:
            rules.append(f"{subject}: {who} must {each}have at least {a}{least}, but may have at most {b}{most}")
    if len(alike) > len(rules):
        rules.append(f"and likewise {counted(len(alike) - len(rules), 'more limit')}")
    return Explanation(tuple(rules), np.empty(0, np.int64), prices, crossed, crossed)


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _explain_priced(permissions: Permissions, conflict: LimitConflict, deadline: Deadline) -> Explanation:
    """Return a conflict whose prices differ from limit to limit: the limits one by one, and the rules behind them."""

    def needed(model: Model) -> bool:
        prices = LimitCheck(tightened(model.problem)).certificate(conflict.upper, conflict.lower, deadline.left_s)
        return prices is None

    kinds = _structure(permissions, needed, deadline)
    rules = [*limit_list(permissions, conflict.upper, conflict.lower), *structure_sentences(permissions, kinds)]
    problem = permissions.model.problem
    if problem.pair_loads is None:
        totals = [
            f"{number(float(problem.loads[k].sum()))} {noun(permissions.model.rules[k].measure)}"
            for k in np.flatnonzero((conflict.upper | conflict.lower).any(axis=1))
        ]
        rules.append(f"all accounts together have {names(totals)}")
    rows = _bound_accounts(permissions, kinds)
    return Explanation(tuple(rules), rows, conflict.prices, conflict.upper, conflict.lower, kinds)


def _structure(permissions: Permissions, needed: Callable[[Model], bool], deadline: Deadline) -> frozenset[str]:
    """Return the rules other than limits without which the conflict is gone, tried one after the other."""
    planning, kinds = permissions.planning, set()
    for kind in STRUCTURE:
        trial = without(planning, kind)
        if trial is planning:
            continue
        if deadline.passed or needed(build_model(trial)):
            kinds.add(kind)
        else:
            planning = trial
    return frozenset(kinds)


def _bound_accounts(permissions: Permissions, kinds: frozenset[str]) -> NDArray[np.int64]:
    """Return the accounts that these rules bind; none where it is nearly all of them."""
    rows = np.arange(len(permissions.planning.accounts))
    bound = np.zeros(len(rows), np.bool_)
    if "lock" in kinds:
        bound |= permissions.lock >= 0
    if "list" in kinds:
        bound |= ~permissions.listed(rows).all(axis=1)
    if "travel" in kinds:
        bound |= ~permissions.reached(rows).all(axis=1)
    return rows[bound] if bound.sum() <= len(rows) / 2 else rows[:0]


def _explain_search(
    permissions: Permissions,
    tight: AssignmentProblem,
    upper: NDArray[np.bool_],
    lower: NDArray[np.bool_],
    deadline: Deadline,
) -> Explanation:
    """Return a conflict that only whole accounts have: what is left after leaving out all that can be left out."""
    kinds = _structure(permissions, lambda model: not impossible(tightened(model.problem), deadline), deadline)
    planning = permissions.planning
    for kind in set(STRUCTURE) - kinds:
        planning = without(planning, kind)
    reduced = Permissions(planning, build_model(planning)) if planning is not permissions.planning else permissions
    problem = tightened(reduced.model.problem)
    upper, lower = shrink_by_search(problem, upper, lower, deadline)
    rows = _bound_accounts(permissions, kinds)
    rules = limit_list(permissions, upper, lower)
    if not lower.any():
        kept = problem.with_limits(np.full_like(problem.lower, -np.inf), np.where(upper, problem.upper, np.inf))
        units = fewest_units(kept, deadline)
        rows = reduced.accounts_of(units)
        rules.append(_whole_sentence(reduced, kept, units, rows))
    else:
        measures = [permissions.model.rules[k].measure for k in np.flatnonzero((upper | lower).any(axis=1))]
        words = names([noun(m).removeprefix("of ") for m in measures])
        rules.append(f"accounts are whole: with split accounts these limits on {words} could be kept")
    rules += structure_sentences(permissions, kinds)
    return Explanation(tuple(rules), rows, None, upper, lower, kinds)


def _whole_sentence(
    permissions: Permissions, problem: AssignmentProblem, units: NDArray[np.int64], rows: NDArray[np.int64]
) -> str:
    """Say which accounts and groups do not fit whole."""
    planning = permissions.planning
    accounts = planning.accounts.index
    limits = np.isfinite(problem.upper)
    measures = np.flatnonzero(limits.any(axis=1))
    end = "do not fit into these limits, each of them whole"
    if len(rows) == len(accounts) and len(units) > 12:
        return f"all accounts together {end}"
    order, start = permissions.members
    who = []
    for unit in units:
        first, size = order[start[unit]], start[unit + 1] - start[unit]
        group = planning.config.groups
        together = size > 1 and group is not None
        who.append(
            f"group {planning.accounts[group.column].iloc[first]}" if together and group else str(accounts[first])
        )
    subject = "accounts" if len(units) == len(rows) else "accounts and groups"
    if len(measures) != 1 or problem.pair_loads is not None:
        return f"{subject} {names(who, shown=12)} {end}"
    k = int(measures[0])
    loads = problem.loads[k, units]
    what = noun(permissions.model.rules[k].measure)
    each = [f"{name} with {text}" for name, text in zip(who, figures(*loads), strict=True)]
    total, room = figures(float(loads.sum()), float(problem.upper[k][limits[k]].sum()))
    text = f"{subject} {names(each, shown=12)} {end}"
    return f"{text} (together they have {total} {what}, the limits add up to {room})" if limits[k].all() else text
