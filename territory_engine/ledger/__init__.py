"""The ledger: every batch, decision, rep counter and outcome, in SQLite or PostgreSQL, whole or not at all.

``Ledger`` and ``BatchWork`` are imported when first used: SQLAlchemy takes a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from territory_engine.ledger.store import Ledger
    from territory_engine.ledger.work import BatchWork

__all__ = ["BatchWork", "Ledger"]


def __getattr__(name: str) -> Any:
    if name == "Ledger":
        from territory_engine.ledger.store import Ledger

        return Ledger
    if name == "BatchWork":
        from territory_engine.ledger.work import BatchWork

        return BatchWork
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
