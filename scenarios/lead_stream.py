"""A past stream of leads, in the order in which they were created."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from territory_engine.errors import Finding, InputError
from territory_engine.grammar import counted
from territory_engine.leads.batch import LeadBatch
from territory_engine.leads.reading.columns import column_key
from territory_engine.leads.reading.loading import leads_of_frame, leads_of_records, read_leads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from territory_engine.leads.policy import Policy
    from territory_engine.routing import Leads

OWNER_COLUMNS = ("rep_id", "owner", "owner_id", "rep", "assigned_to")
"""Columns that say whom a lead really went to, the first that is there; case, spaces and underscores do not matter."""

_MOST_FINDINGS = 200


@dataclass(frozen=True, eq=False)
class LeadStream:
    """Leads that can be replayed, by the moment of their creation and then by ID.

    Attributes
    ----------
    batch : LeadBatch
    created : ndarray of datetime64[us], shape (n_leads,)
        UTC, ascending.
    set_aside : DataFrame
        ``lead_id``, ``created_at`` (UTC, NaT where not known) and ``reason`` of those that cannot be replayed.
    rows : ndarray of int64, shape (n_leads,)
        Place of each lead in what was read.
    """

    batch: LeadBatch
    created: NDArray[np.datetime64]
    set_aside: pd.DataFrame
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.batch)

    def part(self, positions: NDArray[np.int64]) -> LeadBatch:
        """Return some of the leads as a batch of their own."""
        frame = self.batch.frame.iloc[positions].reset_index(drop=True)
        text = f"{self.batch.sha256}:{','.join(map(str, positions.tolist()))}"
        findings = self.batch.rejected
        rejected = {k: findings[p] for k, p in enumerate(positions.tolist()) if p in findings} if findings else {}
        return LeadBatch(frame, hashlib.sha256(text.encode()).hexdigest(), rejected, self.batch.notices)

    def owners(self, column: str | None) -> NDArray[np.object_] | None:
        """Return whom each lead really went to, ``""`` where nobody; None where no column says so.

        Raises
        ------
        InputError
            There is no such column.
        """
        by_key = {column_key(str(c)): str(c) for c in self.batch.frame.columns}
        names = OWNER_COLUMNS if column is None else (column,)
        found = next((by_key[column_key(name)] for name in names if column_key(name) in by_key), None)
        if found is None and column is not None:
            allowed = f"a column of the leads: {', '.join(map(str, self.batch.frame.columns))}"
            raise InputError(Finding("is no column of the leads", column="actual", value=column, allowed=allowed))
        return None if found is None else self.batch.frame[found].to_numpy(dtype=object)


def read_batch(leads: Leads, policy: Policy) -> LeadBatch:
    """Read leads as routing by a policy does."""
    columns, order = policy.columns, policy.date_order
    if isinstance(leads, str | Path):
        return read_leads(leads, columns=columns, date_order=order)
    if isinstance(leads, pd.DataFrame):
        return leads_of_frame(leads, columns=columns, date_order=order)
    return leads_of_records(leads, columns=columns, date_order=order)


def stream_of(batch: LeadBatch, name: str = "leads") -> LeadStream:
    """Put a batch in order of time, without the leads that have no date or are rejected as they are read.

    Raises
    ------
    InputError
        No lead has a date, or none that has one can be routed.
    """
    created = batch.frame["created_at"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    dated = ~np.isnat(created)
    reason = np.full(len(batch), "", object)
    reason[~dated] = "It has no created_at, so that nobody knows when it came in."
    for position, findings in batch.rejected.items():
        reason[position] = " ".join(_told(finding) for finding in findings)
    kept = np.flatnonzero(reason == "")
    if not len(kept):
        raise _nothing(batch, dated, name)
    ids = batch.frame["lead_id"].to_numpy(dtype=str)
    rows = kept[np.lexsort((ids[kept], created[kept]))]
    aside = np.flatnonzero(reason != "")
    return LeadStream(
        batch=_of_rows(batch, rows),
        created=created[rows],
        set_aside=pd.DataFrame(
            {"lead_id": ids[aside], "created_at": batch.frame["created_at"].to_numpy()[aside], "reason": reason[aside]}
        ),
        rows=rows,
    )


def same_stream(batch: LeadBatch, stream: LeadStream) -> LeadStream:
    """Return the same leads as another policy's columns read them."""
    return LeadStream(_of_rows(batch, stream.rows), stream.created, stream.set_aside, stream.rows)


def _of_rows(batch: LeadBatch, rows: NDArray[np.int64]) -> LeadBatch:
    rejected = {k: batch.rejected[r] for k, r in enumerate(rows.tolist()) if r in batch.rejected}
    return LeadBatch(batch.frame.iloc[rows].reset_index(drop=True), batch.sha256, rejected, batch.notices)


def _told(finding: Finding) -> str:
    column = f"{finding.column} " if finding.column else ""
    value = f" (found {finding.value!r})" if finding.value is not None else ""
    allowed = f"; allowed: {finding.allowed}" if finding.allowed else ""
    return f"{column}{finding.what}{value}{allowed}."


def _nothing(batch: LeadBatch, dated: NDArray[np.bool_], name: str) -> InputError:
    if not len(batch):
        return InputError(Finding("has no leads", name, remedy="give a file with a row per lead"))
    findings = [f for position in list(batch.rejected)[:_MOST_FINDINGS] for f in batch.rejected[position]]
    if dated.any() or findings:
        what = f"has no lead that can be replayed: {counted(len(batch), 'lead')}, each with bad data or without a date"
        return InputError([Finding(what, name), *findings])
    what = "has no lead with a date, and a replay needs to know when each came in"
    allowed = "created_at, or a name such as Created Date, with moments such as 2026-11-02T09:15:00Z"
    remedy = 'name the column created_at, or say columns = { created_at = "…" } in the policy'
    return InputError(Finding(what, name, column="created_at", allowed=allowed, remedy=remedy))
