"""Nothing lost and nothing twice: the rows of a batch against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from territory_engine.auditing.checks import Check, verdict
from territory_engine.auditing.numbers import agree
from territory_engine.auditing.routed.stored_batch import LEVEL_UNIT

if TYPE_CHECKING:
    from territory_engine.auditing.routed.stored_batch import StoredBatch


def check_leads(batch: StoredBatch) -> Check:
    """Check that every lead has one decision, in order, and that the batch's numbers are those of its decisions."""
    told = batch.told
    counted = {status: int((batch.status == status).sum()) for status in ("assigned", "queued", "rejected")}
    wrong = [
        f"{status}: {told[status]:,} told, {number:,} decisions" for status, number in counted.items()
        if told[status] != number
    ]  # fmt: skip
    if told["leads"] != len(batch):
        wrong.append(f"{told['leads']:,} leads told, {len(batch):,} decisions")
    elif not np.array_equal(batch.decisions["position"], np.arange(len(batch))):
        wrong.append("the decisions' positions are not 0, 1, 2, …")
    ids = batch.decisions["lead_id"][batch.status != "rejected"]
    twice = ids[ids.duplicated()]
    if len(twice):
        wrong.append(f"{len(twice):,} leads are there twice, such as {twice.iloc[0]}")
    message = "; ".join(wrong) or f"each of {len(batch):,} leads has one decision: {_listed(counted)}"
    if batch.erased.any():
        message += f"; {int(batch.erased.sum()):,} were erased, and are checked as far as what is left allows"
    return Check("leads", not wrong, message, {status: float(number) for status, number in counted.items()})


def _listed(counted: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in counted.items())


def check_assignments(batch: StoredBatch) -> Check:
    """Check that every assigned lead has a rep of the roster who was among its choices, and others have none."""
    if not batch.in_order:
        return Check("assignments", False, "the stored pairs are not by lead and then rep, or some are there twice")
    rep_id = batch.decisions["rep_id"].to_numpy(object)
    unknown = batch.rep == -2
    impossible = batch.assigned & ~unknown & (batch.pair < 0)
    spurious = ~batch.assigned & (rep_id != "")
    barred = (batch.status == "rejected") & (batch.choices > 0)

    def describe(i: int) -> str:
        if barred[i]:
            return "is rejected, and pairs are stored for it"
        if spurious[i]:
            return f"is {batch.status[i]}, and {rep_id[i]} is told as its rep"
        return f"{rep_id[i]} is {'on no roster' if unknown[i] else 'not among those who could take it'}"

    return verdict(
        "assignments",
        unknown | impossible | spurious | barred,
        batch.labels,
        describe,
        "leads and the reps who could take them",
    )


def check_shares(batch: StoredBatch) -> list[Check]:
    """Check what every lead was charged, and its rep's share before and after it."""
    n, there = len(batch), np.flatnonzero(batch.rep >= 0)
    step, rep = batch.whole("step"), batch.rep[there]
    charged = batch.decisions["charged"].to_numpy(np.int64)
    expected = np.zeros(n, np.int64)
    expected[there] = np.where(batch.kept[there], 0, step[rep])
    worth_charged = batch.decisions["worth_charged"].to_numpy(np.int64)
    worth = batch.numbers_of_leads("score", 1.0) * batch.numbers_of_leads("value", 1.0)
    unit = np.ones(n, np.int64)
    unit[there] = step[rep]
    units, rest = np.divmod(worth_charged, unit)
    clipped = np.clip(worth, 0, 1e9)
    off = np.abs(units - clipped) > 0.5 + 1e-9 * np.maximum(1.0, clipped)
    off = np.where((batch.rep >= 0) & ~batch.kept, (off & ~batch.erased) | (rest != 0), worth_charged != 0)
    bad = (charged != expected) | off

    def describe(i: int) -> str:
        if charged[i] != expected[i]:
            return f"charged: expected {expected[i]}, found {charged[i]}"
        return f"worth charged: found {worth_charged[i]}, for a worth of {clipped[i]:.10g} with a step of {unit[i]}"

    checks = [verdict("charged", bad, batch.labels, describe, "what leads count, one step each of their rep")]
    before, after = np.full(n, np.nan), np.full(n, np.nan)
    order = there[np.argsort(rep, kind="stable")]
    sums = np.cumsum(expected[order])
    first = np.searchsorted(batch.rep[order], batch.rep[order])
    own = sums - (sums[first] - expected[order[first]]) if len(order) else sums
    level = batch.whole("level")[batch.rep[order]]
    before[order] = (level + own - expected[order]) / LEVEL_UNIT
    after[order] = (level + own) / LEVEL_UNIT
    told = [batch.decisions[f"fair_share_{when}"].to_numpy(np.float64) for when in ("before", "after")]
    wrong = ~agree(told[0], before) | ~agree(told[1], after)
    checks.append(
        verdict(
            "shares",
            wrong,
            batch.labels,
            lambda i: f"expected {before[i]:.10g} to {after[i]:.10g}, found {told[0][i]:.10g} to {told[1][i]:.10g}",
            "shares before and after every lead",
        )
    )
    return checks


def check_told_values(batch: StoredBatch) -> Check:
    """Check that decisions tell the rank, value and km of the pair that they were made by."""
    n, pair = len(batch), batch.pair
    there = pair >= 0
    at = np.maximum(pair, 0)
    wrong = np.zeros(n, np.bool_)
    columns = (("preference", "rank", -1.0), ("expected_value", "value", np.nan), ("travel_km", "travel_km", np.nan))
    expected = {}
    for told, stored, blank in columns:
        values = batch.pairs[stored].to_numpy(np.float64)
        expected[told] = np.where(there, values[at] if len(values) else blank, blank)
        wrong |= ~agree(batch.decisions[told].to_numpy(np.float64), expected[told])

    def describe(i: int) -> str:
        found = [(name, batch.decisions[name].iloc[i], values[i]) for name, values in expected.items()]
        return ", ".join(f"{name}: expected {e:.10g}, found {f:.10g}" for name, f, e in found if not agree(f, e))

    return verdict("told_values", wrong, batch.labels, describe, "rank, value and km told with each lead")
