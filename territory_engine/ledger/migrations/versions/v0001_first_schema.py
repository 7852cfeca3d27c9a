"""The first schema: batches, decisions, leads, reps and outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Build the tables of revision 0001. Frozen: what comes later is another revision."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_turn", sa.BigInteger, nullable=False),
        sa.Column("next_batch_no", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="ledger_head_has_one_row"),
    )
    op.create_table(
        "ledger_batches",
        sa.Column("batch_no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("content_sha256", sa.Text, nullable=False),
        sa.Column("routed_at", moment, nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
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
        sa.Column("forgotten_at", moment, nullable=True),
        sa.UniqueConstraint("batch_id", name="ledger_batch_once"),
        sa.CheckConstraint("leads = assigned + queued + rejected", name="ledger_batch_loses_nothing"),
    )
    op.create_table(
        "ledger_decisions",
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
    )
    op.create_index("ledger_decisions_of_lead", "ledger_decisions", ["lead_id"])
    op.create_index(
        "ledger_lead_assigned_once",
        "ledger_decisions",
        ["lead_id"],
        unique=True,
        sqlite_where=sa.text("stands"),
        postgresql_where=sa.text("stands"),
    )
    op.create_table(
        "ledger_leads",
        sa.Column("lead_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("rep_id", sa.Text, nullable=False),
        sa.Column("batch_no", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.Column("charged", sa.BigInteger, nullable=False),
        sa.Column("worth_charged", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "state IN ('assigned', 'queued', 'rejected', 'won', 'lost', 'returned')", name="ledger_lead_state"
        ),
    )
    op.create_index("ledger_leads_by_state", "ledger_leads", ["state"])
    op.create_table(
        "ledger_reps",
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
    op.create_table(
        "ledger_outcomes",
        sa.Column("outcome_id", sa.Text, primary_key=True),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("value", sa.Double, nullable=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("content_sha256", sa.Text, nullable=False),
        sa.Column("rep_id", sa.Text, nullable=False),
        sa.Column("batch_no", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
        sa.CheckConstraint("kind IN ('accepted', 'contacted', 'won', 'lost', 'returned')", name="ledger_outcome_kind"),
    )
    op.create_index("ledger_outcomes_of_lead", "ledger_outcomes", ["lead_id"])
    op.execute("INSERT INTO ledger_head (id, next_turn, next_batch_no) VALUES (1, 1, 1)")
