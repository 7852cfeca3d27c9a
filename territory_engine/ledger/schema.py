"""The ledger's tables, as they are at the newest revision. How they came about is in ``migrations``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

NEWEST = "0001"
"""Revision that this version of the engine reads and writes: the head of ``migrations``."""

VERSION_TABLE = "ledger_version"
"""Where Alembic keeps the revision; its usual name could be that of another program in the same database."""

LONGEST_ID = 500
"""Characters of an ID. PostgreSQL refuses index entries over 2,704 bytes, and a character has up to four."""

STATES = ("assigned", "queued", "rejected", "won", "lost", "returned")
HELD = ("assigned", "won", "lost")
"""States in which a lead is, or was to its end, with a rep: it is not to be routed again."""


class UtcMoment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: ``timestamptz`` in PostgreSQL, text like ``2026-11-29 07:35:00.000000`` in SQLite.

    Both sort, compare and are understood by the date functions of their database. Moments without a time zone are
    refused rather than taken for UTC.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the moment in UTC, without its zone where the database has none."""
        if value is None:
            return None
        moment = in_utc(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the moment with the zone UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def in_utc(moment: datetime) -> datetime:
    """Return the same moment told in UTC.

    Raises
    ------
    ValueError
        If it has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {moment.isoformat()}; give it one, such as UTC")
    return moment.astimezone(UTC)


metadata = sa.MetaData()

head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next_turn", sa.BigInteger, nullable=False),
    sa.Column("next_batch_no", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="ledger_head_has_one_row"),
)

batches = sa.Table(
    "ledger_batches",
    metadata,
    sa.Column("batch_no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("batch_id", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("routed_at", UtcMoment, nullable=False),
    sa.Column("recorded_at", UtcMoment, nullable=False),
    sa.Column("plan_sha256", sa.Text, nullable=False),
    sa.Column("plan_path", sa.Text, nullable=False),
    sa.Column("engine_version", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("leads", sa.Integer, nullable=False),
    sa.Column("assigned", sa.Integer, nullable=False),
    sa.Column("queued", sa.Integer, nullable=False),
    sa.Column("rejected", sa.Integer, nullable=False),
    sa.Column("proof", sa.Text, nullable=False),
    sa.Column("roster", sa.LargeBinary, nullable=False),
    sa.Column("choices", sa.LargeBinary, nullable=False),
    sa.Column("forgotten_at", UtcMoment, nullable=True),
    sa.UniqueConstraint("batch_id", name="ledger_batch_once"),
    sa.CheckConstraint("leads = assigned + queued + rejected", name="ledger_batch_loses_nothing"),
)

decisions = sa.Table(
    "ledger_decisions",
    metadata,
    sa.Column("batch_no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("rep_id", sa.Text, nullable=False),
    sa.Column("territory_id", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Column("could_go_at", sa.Text, nullable=False),
    sa.Column("match_kind", sa.Text, nullable=False),
    sa.Column("match_account_id", sa.Text, nullable=False),
    sa.Column("match_evidence", sa.Text, nullable=False),
    sa.Column("preference", sa.Integer, nullable=False),
    sa.Column("expected_value", sa.Double, nullable=True),
    sa.Column("travel_km", sa.Double, nullable=True),
    sa.Column("fair_share_before", sa.Double, nullable=True),
    sa.Column("fair_share_after", sa.Double, nullable=True),
    sa.Column("charged", sa.BigInteger, nullable=False),
    sa.Column("worth_charged", sa.BigInteger, nullable=False),
    sa.Column("lead", sa.Text, nullable=False),
    sa.Column("stands", sa.Boolean, nullable=False),
    sa.ForeignKeyConstraint(["batch_no"], ["ledger_batches.batch_no"], name="ledger_decision_of_batch"),
    sa.CheckConstraint("status IN ('assigned', 'queued', 'rejected')", name="ledger_decision_status"),
    sa.CheckConstraint("(status = 'assigned') = (rep_id <> '')", name="ledger_assigned_to_a_rep"),
    sa.Index("ledger_decisions_of_lead", "lead_id"),
)

# No lead is with two reps: the database refuses a second assignment while the first one stands.
sa.Index(
    "ledger_lead_assigned_once",
    decisions.c.lead_id,
    unique=True,
    sqlite_where=sa.text("stands"),
    postgresql_where=sa.text("stands"),
)

leads = sa.Table(
    "ledger_leads",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("rep_id", sa.Text, nullable=False),
    sa.Column("batch_no", sa.BigInteger, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("since", UtcMoment, nullable=False),
    sa.Column("charged", sa.BigInteger, nullable=False),
    sa.Column("worth_charged", sa.BigInteger, nullable=False),
    sa.CheckConstraint(
        "state IN ('assigned', 'queued', 'rejected', 'won', 'lost', 'returned')", name="ledger_lead_state"
    ),
    sa.Index("ledger_leads_by_state", "state"),
)

reps = sa.Table(
    "ledger_reps",
    metadata,
    sa.Column("rep_id", sa.Text, primary_key=True),
    sa.Column("level", sa.BigInteger, nullable=False),
    sa.Column("worth_level", sa.BigInteger, nullable=False),
    sa.Column("open_leads", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("day_leads", sa.BigInteger, nullable=False),
    sa.Column("week", sa.Text, nullable=False),
    sa.Column("week_leads", sa.BigInteger, nullable=False),
    sa.Column("away", sa.Boolean, nullable=False),
    sa.Column("last_turn", sa.BigInteger, nullable=False),
)

outcomes = sa.Table(
    "ledger_outcomes",
    metadata,
    sa.Column("outcome_id", sa.Text, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("value", sa.Double, nullable=True),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("rep_id", sa.Text, nullable=False),
    sa.Column("batch_no", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", UtcMoment, nullable=False),
    sa.CheckConstraint("kind IN ('accepted', 'contacted', 'won', 'lost', 'returned')", name="ledger_outcome_kind"),
    sa.Index("ledger_outcomes_of_lead", "lead_id"),
)
