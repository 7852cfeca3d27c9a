"""Mends for accounts that no rep may serve, and what changes of the rules about who may serve whom cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from territory_engine.infeasibility.conflict_wording import rounded_up, step_of
from territory_engine.infeasibility.rule_edits import Extend, MaxTravel, Split, Unlock

if TYPE_CHECKING:
    from territory_engine.infeasibility.explanation import Misfit
    from territory_engine.infeasibility.permissions import Permissions
    from territory_engine.infeasibility.rule_edits import Edit

WAYS = (
    ("unlock", "split", "list", "travel"),
    ("list", "travel", "split", "unlock"),
    ("travel", "list", "split", "unlock"),
)
"""Orders of preference among the ways to mend; each makes one relaxation."""

NEAREST, EVERY = 0, 2


def mend(
    permissions: Permissions, misfits: tuple[Misfit, ...], ways: tuple[str, ...], nearness: int
) -> tuple[Edit, ...]:
    """Return edits under which some rep may serve every account; none where a cause has none of the ways.

    Parameters
    ----------
    permissions : Permissions
    misfits : tuple of Misfit
    ways : tuple of str
        Among ``"unlock"``, ``"split"``, ``"list"`` and ``"travel"``, the first choice first.
    nearness : int
        The rep whose list is made longer: 0 the nearest, 1 the second nearest, 2 every rep.
    """
    unlocked: list[int] = []
    groups: list[str] = []
    additions: list[tuple[str, int]] = []
    reach = 0.0
    for m in misfits:
        options = _options(permissions, m)
        way = next((w for w in ways if w in options), None)
        if way is None:
            return ()
        if way == "unlock":
            unlocked += _to_unlock(permissions, m)
        elif way == "split":
            groups.append(m.group)
        elif way == "travel":
            reach = max(reach, m.travel)
        else:
            additions += _reps_for(permissions, m, nearness)
    edits: list[Edit] = []
    if unlocked:
        edits.append(Unlock(tuple(sorted(set(unlocked)))))
    if groups:
        edits.append(Split(tuple(dict.fromkeys(groups))))
    if additions:
        edits.append(Extend(tuple(dict.fromkeys(additions))))
    if reach > 0:
        limit = rounded_up(reach)
        edits.append(MaxTravel(limit if limit >= reach else limit + step_of(limit)))
    return tuple(edits)


def _options(permissions: Permissions, m: Misfit) -> set[str]:
    return {
        "lock, list": {"unlock", "list"},
        "lock, travel": {"unlock", "travel"},
        "lock, table": {"unlock"},
        "list": {"list"},
        "travel": {"travel"},
        "list, travel": {"travel", "list"},
        "group": {"split", "unlock"} if (permissions.lock[list(m.rows)] >= 0).any() else {"split"},
    }.get(m.kind, set())


def _to_unlock(permissions: Permissions, m: Misfit) -> list[int]:
    """Return the locked accounts to free: in a group, those of all reps but the one who may best keep it."""
    rows = np.array(m.rows)
    lock = permissions.lock[rows]
    if m.kind == "group":
        may = np.all(permissions.listed(rows) & permissions.reached(rows), axis=0).tolist()
        able = [int(t) for t in np.unique(lock[lock >= 0]) if may[t]]
        kept = max(able, key=lambda t: int((lock == t).sum()), default=-1)
        return [int(r) for r in rows[(lock >= 0) & (lock != kept)]]
    return [int(r) for r in rows[lock >= 0]]


def _reps_for(permissions: Permissions, m: Misfit, nearness: int) -> list[tuple[str, int]]:
    if m.kind == "lock, list":
        return [(m.value, m.rep)]
    if nearness >= EVERY:
        return [(m.value, t) for t in range(permissions.n_reps)]
    rows = np.array(m.rows)
    travel = permissions.travel(rows)
    # The rep within reach of the most of these accounts, the nearest of those.
    distance = np.where(np.isfinite(travel), travel, 0.0).mean(axis=0)
    order = np.lexsort((distance, -permissions.reached(rows).sum(axis=0)))
    return [(m.value, int(order[min(nearness, len(order) - 1)]))]


def price_of(permissions: Permissions, edits: tuple[Edit, ...]) -> float:
    """Return the share of accounts that edits of locks, lists, travel and groups concern.

    A longer list counts by the part of all reps that it opens, a greater travel by how much greater it is.
    """
    planning = permissions.planning
    n = len(planning.accounts)
    total = 0.0
    for edit in edits:
        if isinstance(edit, Unlock):
            total += len(edit.rows) / n
        elif isinstance(edit, Extend) and permissions.values is not None:
            codes, values, _ = permissions.values
            concerned = {values.index(v) for v, _ in edit.additions if v in values}
            share = int(np.isin(codes, list(concerned)).sum()) / n
            total += share * len(edit.additions) / max(1, len(concerned)) / permissions.n_reps
        elif isinstance(edit, MaxTravel) and np.isfinite(permissions.max_travel):
            total += edit.limit / max(permissions.max_travel, 1e-9) - 1
        elif isinstance(edit, Split) and planning.config.groups is not None:
            column = planning.accounts[planning.config.groups.column].astype(object).map(str)
            total += int(column.isin(edit.groups).sum()) / n
    return total
