"""Accounts that may go to no rep, or are too large for any, in the planner's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from territory_engine.grammar import counted
from territory_engine.infeasibility.conflict_wording import exactly, figures, names
from territory_engine.infeasibility.explanation import Explanation, Misfit
from territory_engine.wording import distance_unit, noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.infeasibility.permissions import Permissions

SENTENCES = 20
"""So many are written out before the rest is counted."""


def explain_stranded(permissions: Permissions, units: NDArray[np.int64]) -> Explanation:
    """Return why no rep may serve some units: one sentence per cause."""
    misfits = _merged(permissions, [m for u in units for m in _misfits(permissions, int(u))])
    rules = [_sentence(permissions, m) for m in misfits]
    if len(rules) > SENTENCES:
        rest = sum(len(m.rows) for m in misfits[SENTENCES:])
        rules = [*rules[:SENTENCES], f"and likewise {counted(rest, 'more account')} that no rep may serve"]
    kinds = {part for m in misfits for part in m.kind.split(", ")}
    nothing = np.zeros_like(permissions.model.problem.lower, np.bool_)
    return Explanation(
        rules=tuple(rules),
        rows=permissions.accounts_of(units),
        prices=None,
        upper=nothing,
        lower=nothing,
        kinds=frozenset(kinds),
        misfits=tuple(misfits),
        groups=tuple(dict.fromkeys(m.group for m in misfits if m.group)),
    )


def _misfits(permissions: Permissions, unit: int) -> list[Misfit]:
    order, start = permissions.members
    rows = order[start[unit] : start[unit + 1]]
    listed, reached, unlocked = permissions.listed(rows), permissions.reached(rows), permissions.unlocked(rows)
    alone = ~(listed & reached & unlocked).any(axis=1)
    if alone.any():
        # An account that no rep may serve even by itself: its group is not to blame.
        return [_account_misfit(permissions, int(rows[j]), listed[j], reached[j]) for j in np.flatnonzero(alone)]
    group = permissions.planning.config.groups
    assert group is not None  # several accounts are one unit only by their group
    name = str(permissions.planning.accounts[group.column].iloc[rows[0]])
    locks = np.unique(permissions.lock[rows][permissions.lock[rows] >= 0])
    rep = int(locks[0]) if len(locks) == 1 else -1
    return [Misfit("group", tuple(int(r) for r in rows), rep=rep, group=name)]


def _account_misfit(
    permissions: Permissions, row: int, listed: NDArray[np.bool_], reached: NDArray[np.bool_]
) -> Misfit:
    value = "" if permissions.values is None else permissions.values[1][permissions.values[0][row]]
    rep = int(permissions.lock[row])
    travel = permissions.travel(np.array([row]))[0]
    if rep >= 0:
        kind = "lock, list" if not listed[rep] else "lock, travel" if np.isfinite(travel[rep]) else "lock, table"
        return Misfit(kind, (row,), rep, value, float(travel[rep]))
    if not listed.any():
        return Misfit("list", (row,), -1, value)
    possible = np.where(listed & np.isfinite(travel), travel, np.inf)
    if not np.isfinite(possible).any():
        return Misfit("table", (row,), -1, value if not listed.all() else "")
    nearest = int(possible.argmin())
    kind = "travel" if not reached.any() else "list, travel"
    return Misfit(kind, (row,), nearest, value if kind == "list, travel" else "", float(possible[nearest]))


def _merged(permissions: Permissions, misfits: list[Misfit]) -> list[Misfit]:
    """Return the misfits with those of one cause as one; the farthest account speaks for those that travel too far."""
    by_cause: dict[tuple[object, ...], list[Misfit]] = {}
    for m in misfits:
        by_place = m.rep if m.kind.startswith("lock") else -1
        by_cause.setdefault((m.kind, by_place, m.value, m.group), []).append(m)
    merged = []
    for same in by_cause.values():
        far = max(same, key=lambda m: m.travel if np.isfinite(m.travel) else -1.0)
        rows = tuple(dict.fromkeys([*far.rows, *(r for m in same for r in m.rows)]))
        merged.append(Misfit(far.kind, rows, far.rep, far.value, far.travel, far.group))
    return sorted(merged, key=lambda m: min(m.rows))


def _sentence(permissions: Permissions, m: Misfit) -> str:
    planning = permissions.planning
    rule, unit = planning.config.eligibility, distance_unit(planning)
    ids = planning.accounts.index
    one = len(m.rows) == 1
    who = str(ids[m.rows[0]]) if one else f"{len(m.rows):,} accounts ({names([ids[r] for r in m.rows])})"
    account = f"account {who}" if one else who
    column = "" if rule is None or rule.column is None else rule.column.replace("_", " ")
    lists = "" if rule is None or rule.reps_column is None else rule.reps_column.replace("_", " ")
    rep = planning.reps.index[m.rep] if m.rep >= 0 else ""
    verb = "is" if one else "are"
    if m.kind == "lock, list":
        return f"{account} {verb} locked to {rep}, whose {lists} do not include {m.value!r}"
    far, limit = figures(m.travel, permissions.max_travel)[0], exactly(permissions.max_travel)
    if m.kind == "lock, travel":
        distance = f"{far} {unit} away" if one else f"up to {far} {unit} away"
        return f"{account} {verb} locked to {rep}, {distance}; max_travel is {limit} {unit}"
    if m.kind == "lock, table":
        return f"{account} {verb} locked to {rep}, but the travel table has no such pair"
    if m.kind == "list":
        segment = f"({column} {m.value!r})" if one else f"have {column} {m.value!r}"
        return f"{account} {segment}: no rep lists that {column}"
    if m.kind == "table":
        whom = f"with a rep who lists {m.value!r}" if m.value else "with any rep"
        return f"{account}: the travel table has no pair {whom}"
    if m.kind == "group":
        return _group_sentence(permissions, m)
    lists_it = f" who lists its {column} {m.value!r}" if m.kind == "list, travel" else ""
    if one:
        nearest = f"the nearest, {rep}, is {far} {unit} away"
    else:
        nearest = f"the farthest, {ids[m.rows[0]]}, is {far} {unit} from its nearest, {rep}"
    return f"{account}: no rep{lists_it} lives within max_travel {limit} {unit}; {nearest}"


def _group_sentence(permissions: Permissions, m: Misfit) -> str:
    planning = permissions.planning
    ids, rows = planning.accounts.index, np.array(m.rows)
    lock = permissions.lock[rows]
    reps = np.unique(lock[lock >= 0])
    if len(reps) > 1:
        each = [f"to {planning.reps.index[r]} ({names([ids[x] for x in rows[lock == r]], shown=3)})" for r in reps]
        return f"group {m.group} holds accounts locked {names(each)}"
    if len(reps) == 1:
        rep = planning.reps.index[reps[0]]
        locked = ids[rows[lock == reps[0]][0]]
        barred = ~(permissions.listed(rows) & permissions.reached(rows))[:, reps[0]]
        others = [ids[x] for x in rows[barred]]
        return (
            f"group {m.group} holds account {locked}, locked to {rep}, and {names(others)}, which {rep} may not serve"
        )
    text = f"group {m.group} ({names([ids[x] for x in rows])}): no rep may serve all of its accounts"
    rule = planning.config.eligibility
    if permissions.values is None or rule is None or rule.column is None:
        return text
    codes, values, _ = permissions.values
    held = [repr(values[c]) for c in np.unique(codes[rows])]
    return f"{text} ({rule.column.replace('_', ' ')} {names(held)})" if len(held) > 1 else text


def explain_oversized(permissions: Permissions, units: NDArray[np.int64]) -> Explanation:
    """Return which units are larger than the upper limit of every rep that may serve them."""
    model, planning = permissions.model, permissions.planning
    problem = model.problem
    _, slack_upper = problem.slack()
    allowed = np.isfinite(problem.rows(units))
    order, start = permissions.members
    sentences = []
    upper = np.zeros_like(problem.upper, np.bool_)
    groups = []
    for j, unit in enumerate(units):
        too_much = problem.loads[:, unit, None] > slack_upper
        # The measure that alone shuts every rep out, if there is one.
        culprits = [k for k in range(problem.n_measures) if too_much[k][allowed[j]].all()]
        shown = culprits[:1] or [k for k in range(problem.n_measures) if (too_much[k] & allowed[j]).any()]
        rows = order[start[unit] : start[unit + 1]]
        if len(rows) == 1:
            subject = f"account {planning.accounts.index[rows[0]]} alone has"
        else:
            group = (
                str(planning.accounts[planning.config.groups.column].iloc[rows[0]]) if planning.config.groups else ""
            )
            groups.append(group)
            subject = f"group {group} ({len(rows):,} accounts that stay together) has"
        whose = "no rep's limit is" if allowed[j].all() else "no rep that may serve it has a limit"
        parts = []
        for k in shown:
            upper[k] |= allowed[j] & too_much[k]
            load, limit = problem.loads[k, unit], problem.upper[k][allowed[j] & too_much[k]].max()
            a, b = figures(load, limit)
            parts.append(f"{a} {noun(model.rules[k].measure, load)}; {whose} above {b}")
            whose = "the others' limits are not" if len(shown) > 1 else whose
        sentences.append(f"{subject} {', and '.join(parts)}")
    if len(sentences) > SENTENCES:
        sentences = [
            *sentences[:SENTENCES],
            f"and likewise {counted(len(units) - SENTENCES, 'more account or group', 'more accounts or groups')}",
        ]
    return Explanation(
        rules=tuple(sentences),
        rows=permissions.accounts_of(units),
        prices=None,
        upper=upper,
        lower=np.zeros_like(upper),
        kinds=_kinds_of(permissions, units) | (frozenset({"group"}) if groups else frozenset()),
        groups=tuple(groups),
    )


def _kinds_of(permissions: Permissions, units: NDArray[np.int64]) -> frozenset[str]:
    """Return the rules that keep these units from some rep."""
    rows = permissions.accounts_of(units)
    kinds = {
        "lock": not permissions.unlocked(rows).all(),
        "list": not permissions.listed(rows).all(),
        "travel": not permissions.reached(rows).all(),
    }
    return frozenset(kind for kind, takes_part in kinds.items() if takes_part)
