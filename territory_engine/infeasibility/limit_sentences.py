"""Limits that cannot hold together, in the planner's words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from territory_engine.infeasibility.conflict_wording import exactly, figures, names, origin
from territory_engine.infeasibility.explanation import Explanation
from territory_engine.wording import distance_unit, noun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from solvers.limit_conflicts import LimitConflict
    from solvers.problem import AssignmentProblem
    from territory_engine.infeasibility.permissions import Permissions

LIMITS_SHOWN = 8

Reason = tuple[str, str]
"""Kind of rule and what it is about: ``("lock", "R03")``, ``("list", "hospital")``, ``("travel", "")``."""


def explain_cut(permissions: Permissions, conflict: LimitConflict, tight: AssignmentProblem) -> Explanation:
    """Return a cut in words: a sum of loads against a sum of limits of one side of one measure.

    Parameters
    ----------
    permissions : Permissions
    conflict : LimitConflict
        With ``is_cut``.
    tight : AssignmentProblem
        The model's problem; limits rounded where the measure's loads are whole numbers.
    """
    side = "upper" if conflict.upper.any() else "lower"
    mask = conflict.upper if side == "upper" else conflict.lower
    measure = int(np.flatnonzero(mask.any(axis=1))[0])
    inside = mask[measure]
    if side == "upper":
        return _explain_upper(permissions, conflict, tight, measure, inside)
    return _explain_lower(permissions, conflict, tight, measure, inside)


def _least_loads(
    permissions: Permissions, measure: int, inside: NDArray[np.bool_], *, least: bool
) -> NDArray[np.float64]:
    """Return every unit's load, the least (or most) of it among the reps inside where it depends on the rep."""
    problem = permissions.model.problem
    if problem.pair_loads is None:
        return np.asarray(problem.loads[measure])
    allowed = permissions.allowed_units()
    barred = np.inf if least else -np.inf
    loads = np.where(allowed & inside, problem.pair_loads[measure], barred)
    found = np.asarray(loads.min(axis=1) if least else loads.max(axis=1))
    # A unit that no rep inside may serve counts with the most it can be anywhere: what a lifted rule would bring.
    return np.where(np.isfinite(found), found, np.where(allowed, problem.pair_loads[measure], 0.0).max(axis=1))


def _explain_upper(
    permissions: Permissions,
    conflict: LimitConflict,
    tight: AssignmentProblem,
    measure: int,
    inside: NDArray[np.bool_],
) -> Explanation:
    model, planning = permissions.model, permissions.planning
    rule, problem = model.rules[measure], model.problem
    reps = np.flatnonzero(inside)
    limit, rounded = float(problem.upper[measure][inside].sum()), float(tight.upper[measure][inside].sum())
    loads = _least_loads(permissions, measure, inside, least=True)
    confined = np.concatenate([~np.isfinite(block[:, ~inside]).any(axis=1) for _, _, block in problem.blocks()])
    units = np.flatnonzero(confined)
    reasons = _reasons(permissions, units, inside)
    units, needed = _enough(units, reasons, loads, rounded)
    load = float(loads[units].sum())
    by_rounding = load <= limit + 1e-9 * max(1.0, abs(limit))
    a, b = figures(load, rounded if by_rounding else limit)
    what = noun(rule.measure, load)
    who = [str(rep) for rep in planning.reps.index[reps]]
    rows = permissions.accounts_of(units)
    counted = rule.measure == "count"
    note = _note(origin(planning, rule, "upper", reps), "rounded down to whole numbers" if by_rounding else "")
    suffix = f" {noun(rule.measure, limit)}" if counted else ""
    at_least = "at least " if problem.pair_loads is not None else ""
    if len(reps) == 1:
        limits = f"{who[0]}'s limit is {b}{suffix}{note}"
    elif len(reps) == problem.n_territories:
        limits = f"the limits of all {len(reps)} reps add up to {b}{suffix}{note}"
    else:
        limits = f"those reps' limits add up to {b}{suffix}{note}"
    if not needed and len(reps) == problem.n_territories:
        start = (
            f"there are {a} {what}"
            if counted
            else f"{_subject(rule.measure)}: all accounts together need {at_least}{a}"
        )
        sentence = f"{start}; {limits}"
        rows = rows[:0]
    else:
        sentence = _confined_sentence(permissions, rows, needed, who, counted, f"{at_least}{a} {what}", limits)
    return _explanation(permissions, conflict, sentence, rows, needed)


def _confined_sentence(
    permissions: Permissions,
    rows: NDArray[np.int64],
    needed: dict[Reason, list[int]],
    who: list[str],
    counted: bool,
    amount: str,
    limits: str,
) -> str:
    accounts = permissions.planning.accounts.index
    one = len(rows) == 1
    number = f"{len(rows):,} accounts" if not one else f"account {accounts[rows[0]]}"
    kinds = list(needed)
    whom = names(who, "or")
    if len(kinds) == 1 and kinds[0][0] == "lock":
        if counted:
            return f"{number} {'is' if one else 'are'} locked to {whom}; {limits}"
        return (
            f"account {accounts[rows[0]]}, locked to {whom}, needs {amount}; {limits}"
            if one
            else f"accounts locked to {whom} need {amount}; {limits}"
        )
    column = _column(permissions)
    total = "" if counted else f"{'it needs' if one else 'together they need'} {amount}, "
    if len(kinds) == 1 and kinds[0][0] == "list":
        return f"{number} in {column} {kinds[0][1]!r} may only go to {whom}; {total}{limits}"
    why = names(
        [_reason_words(permissions, reason, len(r), len(r) == len(rows)) for reason, r in needed.items()], shown=12
    )
    return f"{number} may only go to {whom} ({why}); {total}{limits}"


def _explain_lower(
    permissions: Permissions,
    conflict: LimitConflict,
    tight: AssignmentProblem,
    measure: int,
    inside: NDArray[np.bool_],
) -> Explanation:
    model, planning = permissions.model, permissions.planning
    rule, problem = model.rules[measure], model.problem
    reps = np.flatnonzero(inside)
    limit, rounded = float(problem.lower[measure][inside].sum()), float(tight.lower[measure][inside].sum())
    loads = _least_loads(permissions, measure, inside, least=False)
    reaching = np.concatenate([np.isfinite(block[:, inside]).any(axis=1) for _, _, block in problem.blocks()])
    outside = np.flatnonzero(~reaching)
    # Rules that keep others away matter only as far as their accounts would fill the gap.
    reasons = _reasons(permissions, outside, ~inside)
    load = float(loads[reaching].sum())
    needed = dict(reasons)
    for reason, units in sorted(reasons.items(), key=lambda item: loads[item[1]].sum()):
        if load + loads[units].sum() < rounded - 1e-9 * max(1.0, abs(rounded)):
            load += float(loads[units].sum())
            needed.pop(reason)
    kept_out = np.concatenate([np.array(u, np.int64) for u in needed.values()]) if needed else np.empty(0, np.int64)
    rows = permissions.accounts_of(np.setdiff1d(np.arange(problem.n_units), kept_out))
    by_rounding = load >= limit - 1e-9 * max(1.0, abs(limit))
    a, b = figures(load, rounded if by_rounding else limit)
    what = noun(rule.measure, load)
    note = _note(origin(planning, rule, "lower", reps), "rounded up to whole numbers" if by_rounding else "")
    who = [str(rep) for rep in planning.reps.index[reps]]
    one = len(reps) == 1
    if len(reps) == problem.n_territories and not needed:
        have = (
            f"there are only {a} {what}"
            if rule.measure == "count"
            else f"{_subject(rule.measure)}: all accounts together have {a}"
        )
        lowest = (
            f"the lower limit of {who[0]} is"
            if len(reps) == 1
            else f"the lower limits of all {len(reps)} reps add up to"
        )
        sentence = f"{have}; {lowest} {b}{note}"
        rows = rows[:0]
    else:
        subject, limits = ("it", "its lower limit is") if one else ("they", "their lower limits add up to")
        within = noun("count", load) if rule.measure == "count" else f"with the accounts {subject} may serve"
        amount = a if rule.measure == "count" else f"{a} {what}"
        sentence = f"{names(who)} can reach only {amount} {within}; {limits} {b}{note}"
        if needed:
            sizes = {reason: len(permissions.accounts_of(np.array(u, np.int64))) for reason, u in needed.items()}
            words = [_reason_words(permissions, reason, size, False, elsewhere=True) for reason, size in sizes.items()]
            sentence += f"; the others: {names(words, shown=12)}"
    return _explanation(permissions, conflict, sentence, rows, needed)


def _note(*parts: str) -> str:
    """Return the parts that are not empty in one pair of brackets."""
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""


def _explanation(
    permissions: Permissions,
    conflict: LimitConflict,
    sentence: str,
    rows: NDArray[np.int64],
    needed: dict[Reason, list[int]],
) -> Explanation:
    kinds = {part for kind, _ in needed for part in kind.split(", ")}
    return Explanation(
        rules=(sentence,),
        rows=rows,
        prices=conflict.prices,
        upper=conflict.upper,
        lower=conflict.lower,
        kinds=frozenset(kinds),
        groups=tuple(name for kind, name in needed if kind == "group"),
        reasons=frozenset(needed),
    )


def _reasons(permissions: Permissions, units: NDArray[np.int64], inside: NDArray[np.bool_]) -> dict[Reason, list[int]]:
    """Return which rule confines each of these units to the reps inside; no reason where those are all reps."""
    if inside.all() or len(units) == 0:
        return {}
    single = permissions.model.problem.n_units == len(permissions.model.unit_of)
    order, start = permissions.members
    rows = units if single else np.concatenate([order[start[u] : start[u + 1]] for u in units])
    unit_at = np.arange(len(units)) if single else np.repeat(np.arange(len(units)), np.diff(start)[units])
    lock = permissions.lock[rows]
    locked = (lock >= 0) & inside[np.maximum(lock, 0)]
    listed, reached = permissions.listed(rows), permissions.reached(rows)
    by_list = ~listed[:, ~inside].any(axis=1)
    by_travel = ~reached[:, ~inside].any(axis=1)
    by_both = ~(listed & reached)[:, ~inside].any(axis=1)
    found: dict[Reason, list[int]] = {}
    done = np.zeros(len(units), np.bool_)
    reps = permissions.planning.reps.index
    for kind, takes in (("lock", locked), ("list", by_list), ("travel", by_travel), ("list, travel", by_both)):
        for at in np.flatnonzero(takes):
            unit = unit_at[at]
            if done[unit]:
                continue
            done[unit] = True
            about = ""
            if kind == "lock":
                about = str(reps[lock[at]])
            elif kind == "list" and permissions.values is not None:
                about = permissions.values[1][permissions.values[0][rows[at]]]
            found.setdefault((kind, about), []).append(int(units[unit]))
    for unit in np.flatnonzero(~done):
        group = permissions.planning.config.groups
        row = rows[np.flatnonzero(unit_at == unit)[0]]
        name = "" if group is None else str(permissions.planning.accounts[group.column].iloc[row])
        found.setdefault(("group", name), []).append(int(units[unit]))
    return found


def _enough(
    units: NDArray[np.int64], reasons: dict[Reason, list[int]], loads: NDArray[np.float64], limit: float
) -> tuple[NDArray[np.int64], dict[Reason, list[int]]]:
    """Return the units without those whose reasons are not needed for the loads to exceed the limit."""
    if not reasons:
        return units, {}
    needed = dict(reasons)
    load = float(loads[units].sum())
    for reason, inside in sorted(reasons.items(), key=lambda item: loads[item[1]].sum()):
        if load - loads[inside].sum() > limit + 1e-9 * max(1.0, abs(limit)):
            load -= float(loads[inside].sum())
            needed.pop(reason)
    return np.sort(np.concatenate([np.array(u, np.int64) for u in needed.values()])), needed


def _reason_words(
    permissions: Permissions, reason: Reason, size: int, everyone: bool, *, elsewhere: bool = False
) -> str:
    kind, about = reason
    count = "" if everyone else f"{size:,} "
    column, unit = _column(permissions), distance_unit(permissions.planning)
    travel = exactly(permissions.max_travel)
    if kind == "lock":
        return f"{count}locked to {about}"
    if kind == "list":
        return f"{count}in {column} {about!r}"
    if kind == "group":
        return f"{count}in a group whose other accounts bind it" if not about else f"{count}in group {about}"
    if not np.isfinite(permissions.max_travel):
        return f"{count}with no other pair in the travel table"
    if elsewhere:
        return f"{count}farther than max_travel {travel} {unit}"
    both = f" who lists the {column}" if kind == "list, travel" else ""
    return f"{count}with no other rep{both} within max_travel {travel} {unit}"


def _column(permissions: Permissions) -> str:
    rule = permissions.planning.config.eligibility
    return "" if rule is None or rule.column is None else rule.column.replace("_", " ")


def _subject(measure: str) -> str:
    return noun(measure).removeprefix("of ")


def limit_list(permissions: Permissions, upper: NDArray[np.bool_], lower: NDArray[np.bool_]) -> list[str]:
    """Return limits one by one, a sentence per measure and side."""
    model, reps = permissions.model, permissions.planning.reps.index.astype(str).tolist()
    sentences = []
    for k, rule in enumerate(model.rules):
        for words, mask, limits in (
            ("at most", upper[k], model.problem.upper[k]),
            ("at least", lower[k], model.problem.lower[k]),
        ):
            chosen = np.flatnonzero(mask)
            if len(chosen) == 0:
                continue
            text = dict(zip(chosen, figures(*limits[chosen]), strict=True))
            where = origin(permissions.planning, rule, "upper" if words == "at most" else "lower", chosen)
            if len(set(text.values())) == 1 and len(chosen) > 1:
                listed = f"{names([reps[t] for t in chosen], shown=LIMITS_SHOWN)} {words} {text[chosen[0]]} each"
            else:
                listed = names([f"{reps[t]} {words} {text[t]}" for t in chosen], shown=LIMITS_SHOWN)
            sentences.append(f"{_subject(rule.measure)}: {listed}{f' ({where})' if where else ''}")
    return sentences


def structure_sentences(permissions: Permissions, kinds: Iterable[str]) -> list[str]:
    """Return the other rules that take part, a sentence each."""
    config, unit = permissions.planning.config, distance_unit(permissions.planning)
    sentences = []
    wanted = set(kinds)
    if "lock" in wanted and config.locks is not None:
        count = Counter(permissions.lock[permissions.lock >= 0].tolist())
        each = [f"{n:,} to {permissions.planning.reps.index[t]}" for t, n in sorted(count.items())]
        total = sum(count.values())
        sentences.append(f"{total:,} account{'s are' if total > 1 else ' is'} locked ({names(each)})")
    if "list" in wanted and config.eligibility is not None and config.eligibility.column is not None:
        rule = config.eligibility
        assert rule.column is not None
        assert rule.reps_column is not None
        sentences.append(f"an account's {rule.column} must be among its rep's {rule.reps_column}")
    if "travel" in wanted and np.isfinite(permissions.max_travel):
        sentences.append(f"no account is farther than max_travel {exactly(permissions.max_travel)} {unit} from its rep")
    if "group" in wanted and config.groups is not None:
        sentences.append(f"accounts with the same {config.groups.column} stay together")
    return sentences
