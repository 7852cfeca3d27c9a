"""What the ledger keeps of a batch, and what it knows about leads and reps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

OutcomeKind = Literal["accepted", "contacted", "won", "lost", "returned"]
"""What became of a lead. Won, lost and returned leads are no longer open; a returned one may be routed again."""

COUNTER_COLUMNS = (
    "level",        # int: leads per unit of weight, in millionths
    "worth_level",  # int: the same of the leads' worth
    "open_leads",   # int: assigned and neither won, lost nor returned
    "day",          # str: the rep's own date of day_leads
    "day_leads",    # int
    "week",         # str: the rep's own ISO week of week_leads
    "week_leads",   # int
    "away",         # bool: was away at the last batch that the rep was in
    "last_turn",    # int: number of the rep's last assignment in the order of all assignments; 0 before the first
)  # fmt: skip
"""Columns of a table of counters, index ``rep_id``."""

DECISION_COLUMNS = (
    "position",           # int: place in the batch, from 0
    "lead_id",            # str
    "status",             # assigned | queued | rejected
    "rep_id",             # str, "" unless assigned
    "territory_id",       # str, "" where none
    "reason",             # str: a sentence for people
    "reason_code",        # str: owner, territory, pool; full, hours, ineligible, ambiguous, …; bad_data, already_routed
    "could_go_at",        # str: UTC moment, ISO 8601, when a queued lead could go; "" where unknown
    "match_kind",         # str: territory_engine.leads.batch.MatchKind
    "match_account_id",   # str
    "match_evidence",     # str
    "preference",         # int: 0 owner, 1 territory, 2 pool; -1 unless assigned
    "expected_value",     # float, NaN unless assigned
    "travel_km",          # float, NaN where unknown
    "fair_share_before",  # float: the rep's level before this lead, in leads per unit of weight; NaN unless assigned
    "fair_share_after",   # float
    "charged",            # int: by how much the lead raised its rep's level; 0 where it does not count
    "worth_charged",      # int: the same of its worth
    "lead",               # str: JSON of the lead's routing fields, without names of people
)  # fmt: skip
"""Columns of a batch's decisions, one row per lead in input order."""


@dataclass(frozen=True, eq=False)
class BatchRecord:
    """A routed batch without its decisions.

    Attributes
    ----------
    batch_id, content_sha256 : str
    routed_at : datetime
        UTC, the moment the batch was routed for (its availability, days and weeks).
    plan_sha256, plan_path : str
        Of ``plan.json``; the directory as given.
    engine_version : str
    policy : dict
        As JSON holds it.
    leads, assigned, queued, rejected : int
    proof : dict
        Objectives reached, which are proved, settings of the split (JSON).
    roster : bytes
        Parquet: one row per rep with everything the split knew of it and its prices.
    choices : bytes
        Parquet: one row per pair of lead and rep that the split could use.
    """

    batch_id: str
    content_sha256: str
    routed_at: datetime
    plan_sha256: str
    plan_path: str
    engine_version: str
    policy: dict[str, Any]
    leads: int
    assigned: int
    queued: int
    rejected: int
    proof: dict[str, Any]
    roster: bytes = b""
    choices: bytes = b""


@dataclass(frozen=True, eq=False)
class StoredBatch:
    """A batch as the ledger has it: its record, and its decisions with the columns of :data:`DECISION_COLUMNS`."""

    record: BatchRecord
    decisions: pd.DataFrame


@dataclass(frozen=True)
class LeadState:
    """Where a lead stands now: ``"assigned"``, ``"queued"``, ``"rejected"``, ``"won"``, ``"lost"`` or ``"returned"``."""

    lead_id: str
    state: str
    rep_id: str
    batch_id: str
    routed_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of a lead, told by the CRM.

    Attributes
    ----------
    outcome_id : str
        The teller's own; telling the same one twice changes nothing.
    lead_id : str
    kind : str
    at : datetime
        UTC.
    value : float or None
    note : dict
    """

    outcome_id: str
    lead_id: str
    kind: OutcomeKind
    at: datetime
    value: float | None = None
    note: dict[str, Any] = field(default_factory=dict)
