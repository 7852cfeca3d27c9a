"""The whole ledger from its first batch on: every counter before every batch, and where everything stands now.

Batches and outcomes are taken in the order in which they were recorded. What an old batch held may have been deleted on
purpose; counters are then taken as the next batch found them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from territory_engine.auditing.checks import SHOWN, Check
from territory_engine.auditing.routed.cells import blank
from territory_engine.auditing.routed.lead_states import CLOSING, wrong_states
from territory_engine.auditing.routed.ledger_reading import listed_rows
from territory_engine.auditing.routed.standing import counters_after

if TYPE_CHECKING:
    from territory_engine.auditing.routed.ledger_reading import LedgerReader

_COUNTERS = (
    "level", "worth_level", "open_leads", "day", "day_leads", "week", "week_leads", "away", "last_turn",
)  # fmt: skip


@dataclass
class _Replayed:
    """What has been found so far."""

    counters: dict[str, dict[str, Any]] = field(default_factory=dict)
    trusted: bool = True  # whether counters of reps who are not in them are known to be nothing
    next_turn: int = 1
    chain: list[str] = field(default_factory=list)
    totals: list[str] = field(default_factory=list)


def check_ledger(reader: LedgerReader) -> list[Check]:
    """Check that no lead stands assigned twice, and that every counter is what batches and outcomes make it."""
    batches, decisions, outcomes = reader.batches(), reader.decisions(), reader.outcomes()
    leads, assignments = reader.leads(), decisions[decisions["status"] == "assigned"]
    checks = [_check_once(batches, assignments, outcomes, leads, wrong_states(batches, decisions, outcomes, leads))]
    replayed = _Replayed()
    charged = _charged(assignments, leads)
    rows, told = listed_rows(assignments), listed_rows(outcomes)
    at = 0
    next_outcome = 0
    for batch in listed_rows(batches):
        while next_outcome < len(told) and told[next_outcome].recorded_at <= batch.recorded_at:
            _take_in(replayed, told[next_outcome], charged)
            next_outcome += 1
        if batch.forgotten_at is not None:
            replayed.counters, replayed.trusted = {}, False
            replayed.next_turn += batch.assigned
            continue
        first = at
        while at < len(rows) and rows[at].batch_no == batch.batch_no:
            at += 1
        _follow(replayed, batch, reader.roster(int(batch.batch_no)), rows[first:at])
    for outcome in told[next_outcome:]:
        _take_in(replayed, outcome, charged)
    next_turn, next_batch_no = reader.head()
    _compare_now(replayed, reader.counters(), next_turn)
    if next_batch_no <= max(batches["batch_no"], default=0):
        replayed.totals.append(f"next_batch_no: {next_batch_no} is the number of a batch that is there")
    message = _first(replayed.chain) or (
        f"counters before each of {len(batches):,} {'batch' if len(batches) == 1 else 'batches'} follow from those before it"
    )
    checks.append(Check("chain", not replayed.chain, message))
    message = _first(replayed.totals) or f"counters of {len(replayed.counters):,} reps are exactly what was recorded"
    checks.append(Check("totals", not replayed.totals, message))
    return checks


def _first(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - SHOWN:,} more" if len(wrong) > SHOWN else ""
    return "; ".join(wrong[:SHOWN]) + more


def _charged(assignments: pd.DataFrame, leads: pd.DataFrame) -> dict[tuple[str, int], tuple[int, int]]:
    """Return what each assignment was charged, by lead and batch; of deleted batches as far as leads still tell it."""
    found = {}
    for table in (leads[leads["rep_id"] != ""], assignments):
        for row in listed_rows(table):
            found[str(row.lead_id), int(row.batch_no)] = (int(row.charged), int(row.worth_charged))
    return found


def _take_in(replayed: _Replayed, outcome: Any, charged: dict[tuple[str, int], tuple[int, int]]) -> None:
    counters = replayed.counters.get(outcome.rep_id)
    if outcome.kind not in CLOSING or counters is None:
        return
    counters["open_leads"] -= 1
    if outcome.kind == "returned":
        back = charged.get((str(outcome.lead_id), int(outcome.batch_no)))
        if back is None:  # of a deleted batch: what the next batch finds is taken as it is
            del replayed.counters[outcome.rep_id]
            replayed.trusted = False
            return
        counters["level"] -= back[0]
        counters["worth_level"] -= back[1]


def _follow(replayed: _Replayed, batch: Any, roster: pd.DataFrame, assigned: list[Any]) -> None:
    """Compare the counters before a batch, and work out those after it."""
    before = roster[[f"before.{name}" for name in _COUNTERS]].set_axis(list(_COUNTERS), axis=1)
    for rep_id, row in zip(roster.index.astype(str), before.to_dict("records"), strict=True):
        expected = replayed.counters.get(rep_id)
        if expected is None:
            if replayed.trusted and not blank(row["level"]):
                replayed.chain.append(f"batch {batch.batch_id}: {rep_id} was known, and never in a batch")
            continue
        wrong = _difference(expected, row)
        if wrong:
            replayed.chain.append(f"batch {batch.batch_id}: {rep_id}: {wrong}")
    got: dict[str, tuple[int, int, int]] = {}
    turn: dict[str, int] = {}
    for k, row in enumerate(assigned):
        leads, level, worth = got.get(row.rep_id, (0, 0, 0))
        got[row.rep_id] = leads + 1, level + int(row.charged), worth + int(row.worth_charged)
        turn[row.rep_id] = replayed.next_turn + k
    replayed.counters.update(counters_after(roster, got, turn, _catch_up(batch.policy)))
    replayed.next_turn += len(assigned)


def _catch_up(policy: str) -> float:
    """Return the fraction of what is missed while away that a batch's policy, as JSON, lets reps make up."""
    told = json.loads(policy).get("fair_share") or {}
    return float(told.get("catch_up", 0.0))


def _difference(expected: dict[str, Any], found: dict[Any, Any]) -> str:
    for name in _COUNTERS:
        cell, wanted = found[name], expected[name]
        same = str(cell) == wanted if isinstance(wanted, str) else not blank(cell) and int(cell) == int(wanted)
        if not same:
            return f"{name}: expected {wanted}, found {cell}"
    return ""


def _compare_now(replayed: _Replayed, counters: pd.DataFrame, next_turn: int) -> None:
    stored = {str(rep): row for rep, row in zip(counters.index, counters.to_dict("records"), strict=True)}
    for rep_id, expected in replayed.counters.items():
        wrong = _difference(expected, stored[rep_id]) if rep_id in stored else "no counters are stored"
        if wrong:
            replayed.totals.append(f"{rep_id}: {wrong}")
    if replayed.trusted:
        unknown = sorted(set(stored) - set(replayed.counters))
        replayed.totals += [f"{rep_id}: counters are stored, and it was never in a batch" for rep_id in unknown]
    if next_turn != replayed.next_turn:
        replayed.totals.append(f"next_turn: expected {replayed.next_turn}, found {next_turn}")


def _check_once(
    batches: pd.DataFrame, assignments: pd.DataFrame, outcomes: pd.DataFrame, leads: pd.DataFrame, states: list[str]
) -> Check:
    """Check that each lead has one rep at most at any time, and stands where its last decision or outcome put it."""
    wrong: list[str] = []
    told = dict(zip(batches["batch_no"], batches["assigned"], strict=True))
    whole = [row.batch_no for row in listed_rows(batches) if row.forgotten_at is None]
    number = assignments.groupby("batch_no").size().to_dict()
    wrong += [
        f"batch {batch}: {told[batch]} assignments told, {number.get(batch, 0)} there"
        for batch in whole if told[batch] != number.get(batch, 0)
    ]  # fmt: skip
    closed: dict[tuple[str, int], str] = {}
    for row in listed_rows(outcomes):
        if row.kind in CLOSING:
            if (str(row.lead_id), int(row.batch_no)) in closed:
                wrong.append(f"{row.lead_id}: closed twice (outcome {row.outcome_id})")
            closed[str(row.lead_id), int(row.batch_no)] = row.kind
    last: dict[str, Any] = {}
    for row in listed_rows(assignments):
        lead = str(row.lead_id)
        earlier = last.get(lead)
        if earlier is not None and closed.get((lead, int(earlier.batch_no))) != "returned":
            wrong.append(f"{lead}: assigned to {earlier.rep_id} and, without a return, to {row.rep_id}")
        last[lead] = row
        stands = closed.get((lead, int(row.batch_no))) != "returned"
        if bool(row.stands) != stands:
            wrong.append(f"{lead} with {row.rep_id}: stands is {bool(row.stands)}, expected {stands}")
    wrong += states
    message = _first(wrong) or f"none of {len(leads):,} leads is with two reps; each stands where it was put last"
    return Check("once", not wrong, message, {"assignments": float(len(assignments))})
