"""What the ledger says, read inside a transaction that somebody else opened."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd
import sqlalchemy as sa

from territory_engine.ledger.records import (
    COUNTER_COLUMNS,
    DECISION_COLUMNS,
    BatchRecord,
    LeadState,
    StoredBatch,
)
from territory_engine.ledger.rows import counter_frame, decision_frame, decision_record, storable
from territory_engine.ledger.schema import batches, decisions, leads, outcomes, reps

if TYPE_CHECKING:
    from datetime import datetime

_CHUNK = 500  # values named one by one in a query
_DECISION = tuple(decisions.c[name] for name in DECISION_COLUMNS)
_SUMMARY = (
    "batch_id",
    "content_sha256",
    "routed_at",
    "recorded_at",
    "plan_sha256",
    "plan_path",
    "engine_version",
    "leads",
    "assigned",
    "queued",
    "rejected",
    "forgotten_at",
)
_OUTCOME = ("outcome_id", "lead_id", "rep_id", "kind", "at", "value", "note", "recorded_at")
_QUEUED = ("lead_id", "reason", "reason_code", "could_go_at", "since", "batch_id", "lead")


def batch_row(connection: sa.Connection, batch_id: str) -> Any | None:
    """Return the row of a batch, or None."""
    return connection.execute(sa.select(batches).where(batches.c.batch_id == batch_id)).one_or_none()


def stored(connection: sa.Connection, row: Any) -> StoredBatch:
    """Return the batch of a row with its decisions."""
    record = BatchRecord(
        batch_id=row.batch_id,
        content_sha256=row.content_sha256,
        routed_at=row.routed_at,
        plan_sha256=row.plan_sha256,
        plan_path=row.plan_path,
        engine_version=row.engine_version,
        policy=json.loads(row.policy),
        leads=row.leads,
        assigned=row.assigned,
        queued=row.queued,
        rejected=row.rejected,
        proof=json.loads(row.proof),
        roster=bytes(row.roster),
        choices=bytes(row.choices),
    )
    query = sa.select(*_DECISION).where(decisions.c.batch_no == row.batch_no).order_by(decisions.c.position)
    return StoredBatch(record, decision_frame(connection.execute(query).all()))


def decisions_of(connection: sa.Connection, lead_id: str) -> list[dict[str, Any]]:
    """Return every decision about a lead, newest last, each with ``batch_id``, ``routed_at`` and ``stands``."""
    query = (
        sa.select(*_DECISION, batches.c.batch_id, batches.c.routed_at, decisions.c.stands)
        .join(batches, batches.c.batch_no == decisions.c.batch_no)
        .where(decisions.c.lead_id.in_(storable([lead_id])))
        .order_by(decisions.c.batch_no, decisions.c.position)
    )
    count = len(DECISION_COLUMNS)
    return [
        {**decision_record(row[:count]), "batch_id": row.batch_id, "routed_at": row.routed_at, "stands": row.stands}
        for row in connection.execute(query)
    ]


def lead_rows(connection: sa.Connection, lead_ids: Iterable[str]) -> list[Any]:
    """Return what is known of these leads: rows of ``ledger_leads`` without ``since``.

    The IDs are sent as one value, however many they are.
    """
    ids = storable(lead_ids)
    if not ids:
        return []
    wanted: Any
    if connection.dialect.name == "sqlite":
        wanted = sa.select(sa.func.json_each(json.dumps(ids)).table_valued("value").c.value)
        named = leads.c.lead_id.in_(wanted)
    else:
        wanted = sa.func.unnest(sa.cast(ids, sa.ARRAY(sa.Text))).table_valued("value").render_derived()
        named = leads.c.lead_id == wanted.c.value
    columns = [column for column in leads.c if column.name != "since"]
    return list(connection.execute(sa.select(*columns).where(named)).all())


def lead_states(connection: sa.Connection, rows: Iterable[Any]) -> dict[str, LeadState]:
    """Return rows of :func:`lead_rows` as states by lead."""
    listed = list(rows)
    numbers = sorted({row.batch_no for row in listed})
    batch_of: dict[int, tuple[str, datetime]] = {}
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        query = sa.select(batches.c.batch_no, batches.c.batch_id, batches.c.routed_at).where(
            batches.c.batch_no.in_(chunk)
        )
        batch_of.update({row.batch_no: (row.batch_id, row.routed_at) for row in connection.execute(query)})
    return {row.lead_id: LeadState(row.lead_id, row.state, row.rep_id, *batch_of[row.batch_no]) for row in listed}


def similar_leads(connection: sa.Connection, lead_id: str, limit: int) -> list[str]:
    """Return IDs of leads that begin or end as an ID does, or hold it; at most ``limit`` of each."""
    if not storable([lead_id]) or not lead_id.strip():
        return []
    half = max(1, len(lead_id) // 2)
    text = lead_id.strip()
    alike = (
        leads.c.lead_id.istartswith(text[:half], autoescape=True),
        leads.c.lead_id.icontains(text, autoescape=True),
        leads.c.lead_id.iendswith(text[-half:], autoescape=True),
    )
    found: dict[str, None] = {}
    for condition in alike:
        query = sa.select(leads.c.lead_id).where(condition).order_by(leads.c.lead_id).limit(limit)
        found.update(dict.fromkeys(connection.execute(query).scalars()))
    return list(found)


def outcomes_of(connection: sa.Connection, lead_id: str) -> list[dict[str, Any]]:
    """Return what was told of a lead, oldest first: ``kind``, ``at`` and ``rep_id``."""
    query = (
        sa.select(outcomes.c.kind, outcomes.c.at, outcomes.c.rep_id)
        .where(outcomes.c.lead_id.in_(storable([lead_id])))
        .order_by(outcomes.c.at, outcomes.c.outcome_id)
    )
    return [{"kind": row.kind, "at": row.at, "rep_id": row.rep_id} for row in connection.execute(query)]


def counters(connection: sa.Connection) -> pd.DataFrame:
    """Return every rep's counters."""
    columns = (reps.c.rep_id, *(reps.c[name] for name in COUNTER_COLUMNS))
    return counter_frame(connection.execute(sa.select(*columns)).all())


def newest_moment(connection: sa.Connection) -> datetime | None:
    """Return the latest moment that any batch was routed for, None before the first."""
    found: datetime | None = connection.execute(sa.select(sa.func.max(batches.c.routed_at))).scalar_one()
    return found


def queue_length(connection: sa.Connection) -> int:
    """Return how many leads are queued now."""
    return int(connection.execute(sa.select(sa.func.count()).where(leads.c.state == "queued")).scalar_one())


def queued(connection: sa.Connection, limit: int | None = None, offset: int = 0) -> pd.DataFrame:
    """Return the leads that are queued now, who has waited longest first; at most ``limit`` after the first ``offset``."""
    source = {"since": leads.c.since, "batch_id": batches.c.batch_id}
    columns = [source[name] if name in source else decisions.c[name] for name in _QUEUED]
    same_decision = (decisions.c.batch_no == leads.c.batch_no) & (decisions.c.position == leads.c.position)
    query = (
        sa.select(*columns)
        .select_from(leads)
        .join(decisions, same_decision)
        .join(batches, batches.c.batch_no == leads.c.batch_no)
        .where(leads.c.state == "queued")
        .order_by(leads.c.since, leads.c.batch_no, leads.c.position)
        .limit(limit)
        .offset(offset or None)
    )
    return _frame(connection, query, _QUEUED, moments=("since",))


def batch_summaries(connection: sa.Connection) -> pd.DataFrame:
    """Return one row per batch, oldest first, without policies, proofs and Parquet."""
    query = sa.select(*(batches.c[name] for name in _SUMMARY)).order_by(batches.c.batch_no)
    return _frame(connection, query, _SUMMARY, moments=("routed_at", "recorded_at", "forgotten_at"))


def told_outcomes(connection: sa.Connection) -> pd.DataFrame:
    """Return every outcome recorded, in the order in which they happened; ``note`` is JSON."""
    query = sa.select(*(outcomes.c[name] for name in _OUTCOME)).order_by(outcomes.c.at, outcomes.c.outcome_id)
    frame = _frame(connection, query, _OUTCOME, moments=("at", "recorded_at"))
    return frame.astype({"value": "float64"})


def _frame(connection: sa.Connection, query: Any, names: tuple[str, ...], moments: tuple[str, ...]) -> pd.DataFrame:
    rows = connection.execute(query).all()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    data = {
        name: _moments(values) if name in moments else list(values) for name, values in zip(names, columns, strict=True)
    }
    return pd.DataFrame(data, columns=list(names))


def _moments(values: Iterable[datetime | None]) -> pd.Series:
    return pd.Series(list(values), dtype="datetime64[us, UTC]")
