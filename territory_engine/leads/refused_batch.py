"""What a batch of which no lead can be routed has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from territory_engine.leads.batch import LeadBatch


def same_reason(batch: LeadBatch) -> dict[str, str] | None:
    """Return what is wrong with every lead of a batch; None where a lead can be routed or the leads differ.

    Returns
    -------
    dict or None
        ``what``, ``column``, ``allowed`` and ``remedy``, as far as they are known.
    """
    if not len(batch) or len(batch.rejected) < len(batch):
        return None
    common = set.intersection(*({(f.column, f.what) for f in found} for found in batch.rejected.values()))
    finding = next((f for found in batch.rejected.values() for f in found if (f.column, f.what) in common), None)
    if finding is None:
        return None
    told = {"what": finding.what, "column": finding.column, "allowed": finding.allowed, "remedy": finding.remedy}
    return {key: text for key, text in told.items() if text}
