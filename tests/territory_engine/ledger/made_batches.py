"""Batches routed by the simplest of rules, and the recheck of a whole ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from territory_engine.ledger import BatchWork, Ledger
from territory_engine.ledger.records import COUNTER_COLUMNS, DECISION_COLUMNS, BatchRecord
from territory_engine.ledger.schema import HELD, batches, decisions, head, leads, reps

MOMENT = datetime(2026, 11, 29, 7, 35, 0, 123456, tzinfo=UTC)
STEP = 1_000_000


def decision_table(
    lead_ids: Sequence[str], rep_ids: Sequence[str], status: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return decisions; a lead without a rep is queued unless its status says more."""
    states = list(status) if status else ["assigned" if rep_id else "queued" for rep_id in rep_ids]
    assigned = [state == "assigned" for state in states]
    nothing = float("nan")
    table = {
        "position": range(len(states)),
        "lead_id": pd.Series(list(lead_ids), dtype="object"),
        "status": states,
        "rep_id": list(rep_ids),
        "territory_id": ["T1" if yes else "" for yes in assigned],
        "reason": [f"goes to {rep_id}" if rep_id else "nobody has room" for rep_id in rep_ids],
        "reason_code": ["pool" if yes else "full" for yes in assigned],
        "could_go_at": ["" if yes else "2026-11-30T08:00:00+00:00" for yes in assigned],
        "match_kind": "none",
        "match_account_id": "",
        "match_evidence": "",
        "preference": [2 if yes else -1 for yes in assigned],
        "expected_value": [1 / 3 if yes else nothing for yes in assigned],
        "travel_km": nothing,
        "fair_share_before": [0.1 if yes else nothing for yes in assigned],
        "fair_share_after": [0.2 if yes else nothing for yes in assigned],
        "charged": [STEP if yes else 0 for yes in assigned],
        "worth_charged": [7 if yes else 0 for yes in assigned],
        "lead": [json.dumps({"company": f"Søn & “{number}”"}) for number in range(len(states))],
    }
    return pd.DataFrame(table)[list(DECISION_COLUMNS)]


def batch_record(batch_id: str, made: pd.DataFrame, *, sha256: str = "0" * 64, at: datetime = MOMENT) -> BatchRecord:
    counted = Counter(made["status"])
    return BatchRecord(
        batch_id=batch_id,
        content_sha256=sha256,
        routed_at=at,
        plan_sha256="1" * 64,
        plan_path="out/plan",
        engine_version="0.1.0",
        policy={"fairness": {"slack": 0.0}, "name": "Größe"},
        leads=len(made),
        assigned=counted["assigned"],
        queued=counted["queued"],
        rejected=counted["rejected"],
        proof={"proved": ["rank", "fair"]},
        roster=b"PAR1\x00roster",
        choices=b"PAR1\x00choices",
    )


def counters_after(work: BatchWork, made: pd.DataFrame) -> pd.DataFrame:
    """Return the counters of the reps who got leads."""
    before = work.counters
    rows: dict[str, dict[str, Any]] = {}
    turn = work.next_turn
    for rep_id, charged, worth in zip(made["rep_id"], made["charged"], made["worth_charged"], strict=True):
        if not rep_id:
            continue
        if rep_id not in rows:
            blank = {"day": "2026-11-29", "week": "2026-W48", "away": False}
            known = before.loc[rep_id].to_dict() if rep_id in before.index else dict.fromkeys(COUNTER_COLUMNS, 0)
            rows[rep_id] = {**known, **blank}
        row = rows[rep_id]
        row["level"] += charged
        row["worth_level"] += worth
        for name in ("open_leads", "day_leads", "week_leads"):
            row[name] += 1
        row["last_turn"] = turn
        turn += 1
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(COUNTER_COLUMNS)).rename_axis("rep_id")


def record(
    ledger: Ledger,
    batch_id: str,
    made: pd.DataFrame,
    *,
    at: datetime = MOMENT,
    sha256: str = "0" * 64,
) -> None:
    with ledger.batch(batch_id, sha256) as work:
        work.record(batch_record(batch_id, made, sha256=sha256, at=at), made, counters_after(work, made))


def route(work: BatchWork, lead_ids: Sequence[str], rep_ids: Sequence[str], *, cap: int) -> None:
    """Give each lead that nobody has to the rep with the fewest, up to a cap of open leads; queue the others."""
    if work.stored is not None:
        return
    states = work.states(lead_ids)
    held = {lead_id for lead_id, state in states.items() if state.state in HELD}
    counters = work.counters
    open_leads = {rep_id: int(counters["open_leads"].get(rep_id, 0)) for rep_id in rep_ids}
    chosen, status = [], []
    for lead_id in lead_ids:
        rep_id = min(open_leads, key=lambda one: (open_leads[one], one))
        if lead_id in held:
            chosen.append("")
            status.append("rejected")
        elif open_leads[rep_id] >= cap:
            chosen.append("")
            status.append("queued")
        else:
            open_leads[rep_id] += 1
            chosen.append(rep_id)
            status.append("assigned")
    made = decision_table(lead_ids, chosen, status)
    record = batch_record(work.batch_id, made, sha256=work.content_sha256)
    work.record(record, made, counters_after(work, made))


def faults(ledger: Ledger) -> list[str]:
    """Return what does not add up in a ledger to which no outcomes were told: nothing, if it is whole."""
    with ledger._database.reading() as connection:
        batch_rows = connection.execute(sa.select(batches)).all()
        made = connection.execute(sa.select(decisions)).all()
        lead_rows = connection.execute(sa.select(leads)).all()
        rep_rows = connection.execute(sa.select(reps)).all()
        next_turn, next_batch_no = connection.execute(sa.select(head.c.next_turn, head.c.next_batch_no)).one()
    found = []
    counted = Counter((row.batch_no, row.status) for row in made)
    for row in batch_rows:
        there = [counted[row.batch_no, status] for status in ("assigned", "queued", "rejected")]
        if there != [row.assigned, row.queued, row.rejected]:
            found.append(f"batch {row.batch_id}: {there}")
    if {row.batch_no for row in made} != {row.batch_no for row in batch_rows}:
        found.append("decisions without a batch, or a batch without decisions")
    assigned = [row for row in made if row.status == "assigned"]
    if len({row.lead_id for row in assigned}) != len(assigned):
        found.append("a lead assigned twice")
    if {(row.lead_id, row.rep_id) for row in assigned} != {
        (row.lead_id, row.rep_id) for row in lead_rows if row.state == "assigned"
    }:
        found.append("the leads' states are not what was decided")
    if {row.lead_id for row in made} != {row.lead_id for row in lead_rows}:
        found.append("a lead is lost")
    level: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for row in assigned:
        level[row.rep_id] += row.charged
        count[row.rep_id] += 1
    if dict(level) != {row.rep_id: row.level for row in rep_rows}:
        found.append("levels are not the sums of what was charged")
    if dict(count) != {row.rep_id: row.open_leads for row in rep_rows}:
        found.append("open leads are not the leads assigned")
    if next_turn != len(assigned) + 1 or next_batch_no != len(batch_rows) + 1:
        found.append(f"the next turn is {next_turn} after {len(assigned)} assignments")
    return found
