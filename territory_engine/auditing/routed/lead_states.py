"""Where every lead should stand: what its decisions and outcomes, one after another, make of it.

A lead that waits and is missing would never be routed; one that is said to be assigned would be refused as routed already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from territory_engine.auditing.routed.ledger_reading import listed_rows

if TYPE_CHECKING:
    import pandas as pd

CLOSING = ("won", "lost", "returned")
_HELD = ("assigned", "won", "lost")
_FIRST = ("assigned", "queued", "rejected")
"""Of a lead that is in a batch several times, the decision that counts."""


def wrong_states(
    batches: pd.DataFrame, decisions: pd.DataFrame, outcomes: pd.DataFrame, leads: pd.DataFrame
) -> list[str]:
    """Return what is wrong with where leads stand, lead by lead.

    Parameters
    ----------
    batches, decisions, outcomes, leads : DataFrame
        As the ledger has them, decisions by batch and position. Leads that stand by a deleted batch are taken as told.
    """
    forgotten = {row.batch_no for row in listed_rows(batches) if row.forgotten_at is not None}
    known = set(batches["batch_no"])
    rows = listed_rows(decisions)
    orphans = sorted({row.batch_no for row in rows} - known)
    wrong = [f"there are decisions of batch number {number}, and no such batch" for number in orphans]
    wrong += [
        f"{row.lead_id}: {row.status} in batch number {row.batch_no}, and marked as standing with a rep"
        for row in rows
        if row.stands and row.status != "assigned"
    ]
    expected = _expected(rows, outcomes)
    for state in listed_rows(leads):
        wanted = expected.pop(str(state.lead_id), None)
        if state.batch_no in forgotten:
            continue
        found = (state.state, state.rep_id, state.batch_no, state.position, state.charged, state.worth_charged)
        if wanted is None:
            wrong.append(f"{state.lead_id}: is {state.state}, and no decision is about it")
        elif found != wanted:
            wrong.append(f"{state.lead_id}: expected {wanted}, the ledger has it as {found}")
    wrong += [f"{lead}: {wanted[0]} in batch number {wanted[2]}, and the ledger has no such lead"
              for lead, wanted in expected.items()]  # fmt: skip
    return wrong


def _expected(rows: list[Any], outcomes: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    """Return state, rep, batch, position and what was charged, by lead."""
    closed = {(str(o.lead_id), o.batch_no): o.kind for o in listed_rows(outcomes) if o.kind in CLOSING}
    stands: dict[str, Any] = {}
    for row in rows:
        lead = str(row.lead_id)
        last = stands.get(lead)
        if not lead:
            continue
        if last is None:
            stands[lead] = row
        elif last.batch_no == row.batch_no:
            if _FIRST.index(row.status) < _FIRST.index(last.status):
                stands[lead] = row
        else:
            state = _state(last, closed)
            if state not in _HELD and (row.status != "rejected" or state == "rejected"):
                stands[lead] = row
    return {
        lead: (_state(row, closed), row.rep_id, row.batch_no, row.position, row.charged, row.worth_charged)
        for lead, row in stands.items()
    }


def _state(row: Any, closed: dict[tuple[str, Any], str]) -> str:
    return closed.get((str(row.lead_id), row.batch_no), "assigned") if row.status == "assigned" else str(row.status)
