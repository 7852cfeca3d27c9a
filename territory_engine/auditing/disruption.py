"""The checks of what changes hands: how much, the limit on it, protections and dated locks, from the stored inputs."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from territory_engine.auditing.checks import Check, StoredPlan, compared, number
from territory_engine.auditing.numbers import LIMIT_SLACK, TOLERANCE, text

if TYPE_CHECKING:
    from territory_engine.auditing.rules import StoredProblem


def move_price(record: dict[str, Any]) -> float:
    """Return the price of the limit on moves that plan.json tells: 0 where it tells none, NaN where it is no number."""
    told = record.get("disruption")
    if told is None:
        return 0.0
    return number(told, "price") if isinstance(told, dict) else math.nan


def wrong_settings(stored: StoredProblem) -> list[str]:
    """Return what is wrong with the configured disruption, so that no part of it is passed over."""
    rule = stored.section("disruption")
    wrong = []
    most, weight = rule.get("max_moved"), rule.get("weight")
    if most is not None and not (_is_number(most) and 0 <= most <= 1):
        wrong.append(f"disruption.max_moved: found {most!r}, allowed: a fraction between 0 and 1")
    if weight is not None and not (_is_number(weight) and weight >= 0):
        wrong.append(f"disruption.weight: found {weight!r}, allowed: a number of 0 or more")
    if stored.free and (most is not None or weight is not None):
        wrong.append("disruption: moves cannot be limited or priced where centres are chosen")
    wrong += [
        f"disruption.protect: found {protection!r}, allowed: a column and a weight above 0"
        for protection in rule.get("protect") or []
        if not (
            isinstance(protection, dict)
            and protection.get("column")
            and _is_number(protection.get("weight"))
            and protection["weight"] > 0
        )
    ]
    until, as_of = rule.get("locked_until"), rule.get("as_of")
    if (until is None) != (as_of is None):
        wrong.append("disruption: locked_until and as_of go together")
    elif as_of is not None and not _is_date(as_of):
        wrong.append(f"disruption.as_of: found {as_of!r}, allowed: a date")
    elif until is not None and not stored.section("locks"):
        wrong.append("disruption.locked_until: no locks are stored that would keep those accounts")
    own = stored.section("locks").get("own")
    if stored.section("locks") and (own is None) != (until is None):
        wrong.append(f"locks.own: found {own!r}, allowed: the locks that hold for good, where others hold until a date")
    elif own is not None and not isinstance(own, str):
        wrong.append(f"locks.own: found {own!r}, allowed: a column, or nothing")
    return wrong


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_date(value: Any) -> bool:
    try:
        date.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def check_disruption(stored: StoredProblem, plan: StoredPlan) -> list[Check]:
    """Check how much changes hands against what plan.json tells, the limit, and the locks that hold until a date."""
    rule = stored.section("disruption")
    told = plan.record.get("disruption")
    if not rule:
        return [Check("disruption", told is None, "no moves are counted" if told is None else "moves nobody asked for")]
    if told is None and rule.get("max_moved") is None and not rule.get("weight"):
        # Plans of version 0.1.0 do not tell it.
        return [
            Check("disruption", True, "what changes hands is neither limited nor priced, and not told in plan.json")
        ]
    if not isinstance(told, dict):
        return [Check("disruption", False, f"expected what changes hands, found {told!r}")]
    moved = stored.changing_hands(plan.rep)
    value, total = float(stored.owned[moved].sum()), float(stored.owned.sum())
    counted = float(stored.disruption[moved].sum())
    expected = {
        "moved": value,
        "moved_fraction": value / total if total > 0 else 0.0,
        "total": total,
        "counted": counted,
        "accounts_moved": float(moved.sum()),
        "accounts_assigned": float((stored.owner < 0).sum()),
    }
    typical = [total, 1.0, total, total, 1.0, 1.0]
    limited = math.isfinite(stored.most_moved)
    if limited:
        expected["limit"] = stored.most_moved
        typical.append(total)
    of_moves = compared(
        "disruption",
        list(expected),
        [number(told, key) for key in expected],
        list(expected.values()),
        "what changes hands",
        typical=typical,
    )
    measure = rule.get("measure", "count")
    if told.get("measure") != measure:
        of_moves = Check("disruption", False, f"measure: expected {measure!r}, found {told.get('measure')!r}")
    elif not limited and told.get("limit") is not None:
        of_moves = Check("disruption", False, f"limit: expected none, found {told['limit']!r}")
    checks = [of_moves]
    if limited:
        most = stored.most_moved
        ok = counted <= most + LIMIT_SLACK * max(1.0, most) + TOLERANCE * min(1.0, most)
        checks.append(
            Check(
                "max_moved", ok, f"{counted:.10g} changes hands, allowed {most:.10g}", {"moved": counted, "limit": most}
            )
        )
    if rule.get("locked_until"):
        checks.append(_check_dates(stored, rule))
    return checks


def _check_dates(stored: StoredProblem, rule: dict[str, Any]) -> Check:
    """Check the stored locks: those that hold for good, and every owner's whose date is after the day of the change."""
    until = text(stored.accounts[rule["locked_until"]]).to_numpy(object)
    kept = np.array([day > rule["as_of"] for day in until], np.bool_) & (stored.owner >= 0)
    own = stored.section("locks").get("own")
    lock, of_own = text(stored.accounts[stored.section("locks")["column"]]), np.full(len(stored.accounts), "", object)
    if own:
        of_own = text(stored.accounts[own]).to_numpy(object)
    clash = kept & (of_own != "") & (stored.reps.index.get_indexer(pd.Index(of_own)) != stored.owner)
    owner = text(stored.accounts[rule["current"]]).to_numpy(object)
    for wrong, what in (
        (kept & (stored.lock != stored.owner), "not locked to their owner"),
        (clash, "locked for good to another rep than their owner"),
        (lock.to_numpy(object) != np.where(kept, owner, of_own), "locked otherwise than for good or until a date"),
    ):
        if wrong.any():
            shown = ", ".join(map(str, stored.accounts.index[wrong][:5]))
            return Check("dated_locks", False, f"{what}: {shown}")
    return Check("dated_locks", True, f"{int(kept.sum()):,} accounts are locked to their owner until a date")
