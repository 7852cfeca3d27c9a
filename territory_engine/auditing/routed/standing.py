"""Where every rep stood as a batch began: presence, weight, limits, level and room, from the rep's own columns."""

from __future__ import annotations

import re
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from territory_engine.auditing.checks import Check, verdict
from territory_engine.auditing.numbers import agree
from territory_engine.auditing.routed.cells import blank
from territory_engine.auditing.routed.stored_batch import LEVEL_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from territory_engine.auditing.routed.stored_batch import StoredBatch

UNLIMITED = 2**31 - 1
"""Room of a rep without limits."""


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def check_standing(batch: StoredBatch, plan_travel_km: float | None) -> list[Check]:
    """Check presence, weights, limits, levels and room of every rep.

    Parameters
    ----------
    batch : StoredBatch
    plan_travel_km : float or None
        The plan's own travel limit where it holds for leads, inf where none does; None where the plan is not known.
    """
    return [
        _check_presence(batch),
        _check_weights(batch),
        _check_limits(batch, plan_travel_km),
        _check_levels(batch),
        *_check_capacity(batch),
    ]


def own_column(batch: StoredBatch, column: str) -> list[str]:
    """Return what the roster has in a rep's own column, "" where blank or where there is no such column."""
    name = f"rep.{column}"
    if name not in batch.reps.columns:
        return [""] * batch.n_reps
    return ["" if blank(cell) else str(cell).strip() for cell in batch.reps[name]]


def numbers_of_reps(batch: StoredBatch, column: str, otherwise: float) -> NDArray[np.float64]:
    """Return a rep's own column as numbers, ``otherwise`` where blank, NaN where it cannot be read here."""

    def read(cell: str) -> float:
        try:
            return float(cell) if cell else otherwise
        except ValueError:
            return np.nan

    return np.array([read(cell) for cell in own_column(batch, column)], np.float64)


def local_days(batch: StoredBatch) -> list[date]:
    """Return each rep's own date at the moment of the batch."""
    zones = own_column(batch, "time_zone")
    known = {zone: batch.routed_at.astimezone(ZoneInfo(zone or "UTC")).date() for zone in set(zones)}
    return [known[zone] for zone in zones]


def absences(batch: StoredBatch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is away at the moment of the batch, and who is away for good; both of shape ``(n_reps,)``."""
    columns = (own_column(batch, name) for name in ("leave", "started_on", "left_on"))
    found = [_absence(today, *cells) for today, *cells in zip(local_days(batch), *columns, strict=True)]
    away, for_good = np.array(found, np.bool_).reshape(-1, 2).T
    return away, for_good


def _absence(today: date, leave: str, started: str, left: str) -> tuple[bool, bool]:
    day = today.toordinal()
    first, last = _ordinal(started), _ordinal(left)
    if first is not None and day < first:
        return True, last is not None and last < first
    gone = last is not None and day > last
    away = False
    spans = sorted(_spans(leave))
    end = day - 1
    for start, stop in spans:  # leave without a day between is one absence
        if start <= end + 1 and stop > end:
            away = away or start <= day
            end = stop
    return away or gone, gone or (away and last is not None and end >= last)


def _spans(leave: str) -> Iterator[tuple[int, int]]:
    for part in re.split("[;,]", leave):
        days = [_ordinal(text) for text in _DAY.findall(part)]
        if days and days[0] is not None and days[-1] is not None:
            yield days[0], days[-1]


def _ordinal(text: str) -> int | None:
    found = _DAY.search(text)
    return None if found is None else date.fromisoformat(found.group()).toordinal()


def _check_presence(batch: StoredBatch) -> Check:
    """Check each rep's day, week and absence against time zone, leave, first and last day."""
    away, _ = absences(batch)
    days = local_days(batch)
    weeks = [f"{d.isocalendar().year:04d}-W{d.isocalendar().week:02d}" for d in days]
    told_away = batch.reps["away"].to_numpy(np.bool_)
    present = ~away & (batch.reps["weight"].to_numpy(np.float64) > 0)
    told = [batch.reps[name].astype(str).to_numpy(object) for name in ("local_day", "local_week")]
    told_present = batch.reps["present"].to_numpy(np.bool_)

    def describe(i: int) -> str:
        pairs = (
            ("day", days[i].isoformat(), told[0][i]), ("week", weeks[i], told[1][i]),
            ("away", bool(away[i]), bool(told_away[i])), ("present", bool(present[i]), bool(told_present[i])),
        )  # fmt: skip
        return ", ".join(f"{name}: expected {e}, found {f}" for name, e, f in pairs if e != f)

    bad = np.array([bool(describe(i)) for i in range(batch.n_reps)], np.bool_)
    return verdict("presence", bad, batch.rep_ids, describe, "day, week and absence of every rep")


def _check_weights(batch: StoredBatch) -> Check:
    """Check weights, availability and ramp included, and the step that one lead is."""
    column = batch.setting("fair_share", "weight") or "weight"
    base = numbers_of_reps(batch, str(column), 1.0) * numbers_of_reps(batch, "availability", 1.0)
    if (base > 0).any():
        base = base / np.median(base[base > 0])  # weights are relative to a typical one
    days = batch.setting("ramp", "days", 0)
    if days:
        start = float(batch.setting("ramp", "start", 0.25))
        for row, (today, text) in enumerate(zip(local_days(batch), own_column(batch, "started_on"), strict=True)):
            began = _ordinal(text)
            if began is not None:
                done = min(max((today.toordinal() - began) / days, 0.0), 1.0)
                base[row] *= start + (1 - start) * done
    weight = batch.reps["weight"].to_numpy(np.float64)
    step = batch.whole("step")
    expected_step = np.array([max(round(LEVEL_UNIT / w), 1) if w > 0 else LEVEL_UNIT for w in weight], np.int64)
    readable = np.isfinite(base)
    off = readable & (np.abs(weight - base) > 1e-6 + 1e-9 * np.abs(np.where(readable, base, 0.0)))

    def describe(i: int) -> str:
        if off[i]:
            return f"weight: expected {base[i]:.6f}, found {weight[i]:.6f}"
        return f"step: expected {expected_step[i]}, found {step[i]}"

    return verdict("weights", off | (step != expected_step), batch.rep_ids, describe, "weights and steps of every rep")


def _check_limits(batch: StoredBatch, plan_travel_km: float | None) -> Check:
    """Check that limits are those of the policy, or of the reps column that it names."""
    bad, told = np.zeros(batch.n_reps, np.bool_), [""] * batch.n_reps
    for key in ("open_leads", "per_day", "per_week", "travel_km"):
        limit = batch.setting("limits", key)
        found = batch.reps[f"limit_{key}"].to_numpy(np.float64)
        if isinstance(limit, str):
            expected = numbers_of_reps(batch, limit, np.inf)
        elif limit is not None:
            expected = np.full(batch.n_reps, float(limit))
        elif key == "travel_km" and batch.policy.get("eligibility") is None:
            if plan_travel_km is None:
                continue  # it may be the plan's own
            expected = np.full(batch.n_reps, plan_travel_km)
        else:
            expected = np.full(batch.n_reps, np.inf)
        wrong = ~np.isnan(expected) & ~agree(found, expected)
        for i in np.flatnonzero(wrong & ~bad):
            told[i] = f"{key}: expected {expected[i]:g}, found {found[i]:g}"
        bad |= wrong
    return verdict("limits", bad, batch.rep_ids, lambda i: told[i], "limits of every rep")


def _check_levels(batch: StoredBatch) -> Check:
    """Check opening levels: who joins starts at the mean of those present, all others where they were."""
    reps = batch.reps
    step = batch.whole("step")
    present = reps["present"].to_numpy(np.bool_)
    known = reps["before.level"].notna().to_numpy(np.bool_)
    last = np.array(
        [(_ordinal(str(cell)) or 0) if old else 0 for cell, old in zip(reps["before.day"], known, strict=True)]
    )
    left_out = known & (last < last.max(initial=0) - 7)  # on no roster for over a week, while others were
    settled = present & known & ~left_out
    if not settled.any():
        settled = known & ~left_out
    joined = present & (~known | left_out)
    change = np.where(joined, "joined", "").astype(object)
    bad = change != reps["change"].to_numpy(object)
    told = [f"change: expected {c!r}, found {f!r}" for c, f in zip(change, reps["change"], strict=True)]
    fair_told = []
    for column, key in (("level", "fair_level"), ("worth_level", "fair_worth_level")):
        had = [int(cell) if old else 0 for cell, old in zip(reps[f"before.{column}"], known, strict=True)]
        if column == "worth_level":
            had = [max(-(2**59), min(2**59, level)) for level in had]  # where shares of value end
        weight = sum((Fraction(1, int(s)) for s in step[settled]), Fraction(0))
        total = sum((Fraction(had[r], int(step[r])) for r in np.flatnonzero(settled)), Fraction(0))
        fair = int(total / weight) if weight else 0
        found = batch.whole(column)
        for row in range(batch.n_reps):
            level = max(fair, had[row]) if joined[row] else had[row]
            if level != found[row]:
                bad[row], told[row] = True, f"{column}: expected {level}, found {found[row]}"
        if batch.proof.get(key) != fair:
            fair_told.append(f"{key}: expected {fair}, found {batch.proof.get(key)}")
    check = verdict("levels", bad, batch.rep_ids, lambda i: told[i], "opening levels of every rep")
    return Check("levels", False, "; ".join(fair_told)) if check.ok and fair_told else check


def _check_capacity(batch: StoredBatch) -> list[Check]:
    """Check each rep's room from limits and counters before, and that nobody got more."""
    reps, room = batch.reps, np.full(batch.n_reps, float(UNLIMITED))
    for limit, had, span, now in (
        ("limit_open_leads", "before.open_leads", None, None),
        ("limit_per_day", "before.day_leads", "before.day", "local_day"),
        ("limit_per_week", "before.week_leads", "before.week", "local_week"),
    ):
        so_far = np.nan_to_num(reps[had].to_numpy(np.float64), nan=0.0)
        if span is not None and now is not None:
            still = [isinstance(t, str) and t >= n for t, n in zip(reps[span], reps[now], strict=True)]
            so_far = np.where(still, so_far, 0.0)
        room = np.minimum(room, np.floor(reps[limit].to_numpy(np.float64) - so_far))
    expected = np.maximum(room, 0.0).astype(np.int64)
    capacity, count = batch.whole("capacity"), batch.count
    return [
        verdict(
            "capacity",
            capacity != expected,
            batch.rep_ids,
            lambda i: f"room: expected {expected[i]}, found {capacity[i]}",
            "room of every rep before the batch",
        ),
        verdict(
            "counts",
            count > expected,
            batch.rep_ids,
            lambda i: f"got {count[i]} leads, with room for {expected[i]}",
            "leads of every rep within its room",
        ),
    ]


def counters_after(
    batch_reps: Any, charged: dict[str, tuple[int, int, int]], turn: dict[str, int], catch_up: float
) -> dict[str, Any]:
    """Return the counters of every rep of a roster after its batch; see :mod:`~territory_engine.auditing.routed.replay`.

    Parameters
    ----------
    batch_reps : DataFrame
        The roster.
    charged : dict of str to (leads, charged, worth charged)
    turn : dict of str to int
        Number of the last assignment.
    catch_up : float
        The policy's: who is away is credited with an equal share of the batch, less this fraction of it.
    """
    credit = _credit_while_away(batch_reps, charged, catch_up)
    after: dict[str, Any] = {}
    counted: dict[str, Any]
    names = ("level", "worth_level", "present", "local_day", "local_week", *_BEFORE)
    for rep_id, *cells in zip(batch_reps.index.astype(str), *(batch_reps[name] for name in names), strict=True):
        row = dict(zip(names, cells, strict=True))
        known = not blank(row["before.level"])
        if not (known or row["present"]):
            continue
        leads, level, worth = charged.get(rep_id, (0, 0, 0))
        if not row["present"]:
            level, worth = credit
        counted = {"level": int(row["level"]) + level, "worth_level": int(row["worth_level"]) + worth}
        counted["open_leads"] = _count(row["before.open_leads"]) + leads
        for span in ("day", "week"):
            told, now = row[f"before.{span}"], str(row[f"local_{span}"])
            same = isinstance(told, str) and told >= now
            counted[span] = told if same else now
            counted[f"{span}_leads"] = (_count(row[f"before.{span}_leads"]) if same else 0) + leads
        counted["away"] = not row["present"]
        counted["last_turn"] = max(_count(row["before.last_turn"]), turn.get(rep_id, 0))
        after[rep_id] = counted
    return after


def _credit_while_away(batch_reps: Any, charged: dict[str, tuple[int, int, int]], catch_up: float) -> tuple[int, int]:
    """Return what being away raises a level, and a level of worth, by: an equal share of what those present got."""
    step = {str(rep): int(cell) for rep, cell in zip(batch_reps.index, batch_reps["step"], strict=True)}
    present = batch_reps["present"].to_numpy(np.bool_)
    weight = sum((Fraction(1, step[str(rep)]) for rep in batch_reps.index[present]), Fraction(0))
    if not weight:
        return 0, 0
    kept = (1 - Fraction(catch_up).limit_denominator(10**6)) / weight
    got = [sum((Fraction(told[k], step[rep]) for rep, told in charged.items()), Fraction(0)) for k in (1, 2)]
    return int(kept * got[0]), int(kept * got[1])


def _count(cell: Any) -> int:
    return 0 if blank(cell) else int(cell)


_BEFORE = tuple(
    f"before.{name}"
    for name in ("level", "open_leads", "day", "day_leads", "week", "week_leads", "last_turn")
)  # fmt: skip


def moment_text(moment: datetime) -> str:
    """Return a moment as messages show it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
