"""Deleting what old batches hold of leads and reps."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from territory_engine.ledger.schema import batches, decisions, in_utc, leads, outcomes


def forget(connection: sa.Connection, before: datetime) -> int:
    """Delete the content of batches routed before a moment; see :meth:`Ledger.forget`."""
    limit = in_utc(before)
    waiting = sa.select(leads.c.batch_no).where(leads.c.state == "queued")
    old = batches.c.routed_at < limit
    forgettable = old & batches.c.forgotten_at.is_(None) & batches.c.batch_no.not_in(waiting)
    numbers = sa.select(batches.c.batch_no).where(forgettable)
    connection.execute(sa.delete(decisions).where(decisions.c.batch_no.in_(numbers)))
    connection.execute(sa.update(outcomes).where(outcomes.c.recorded_at < limit).values(note="{}"))
    done = connection.execute(
        sa.update(batches)
        .where(forgettable)
        .values(forgotten_at=datetime.now(UTC), policy="{}", proof="{}", roster=b"", choices=b"")
    )
    return int(done.rowcount)
